# SIAN of width 48 behind a pixel-unshuffle on free photographs under light to heavy rain; no paper's row
_base_ = [
    '../_base_/models/sian.py',
    '../_base_/datasets/photographs.py',
    '../_base_/schedules/photographs.py',
]
model = dict(
    network=dict(
        _delete_=True,
        type='PixelUnshuffled',
        network=dict(type='SIAN', channels=48, num_stages=3),
    ),
    loss=[dict(type='SSIMLoss'), dict(type='L1Loss', loss_weight=2)],
)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=10500)]
train_cfg = dict(max_iters=10700)
