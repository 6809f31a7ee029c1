# NASNet of width 32 behind a pixel-unshuffle, on photographs with light to heavy rain; not in a paper
_base_ = './nasnet_photographs.py'
model = dict(
    network=dict(
        _delete_=True, type='PixelUnshuffled', network=dict(type='NASNet', channels=32, num_stages=2, num_blocks=4)
    )
)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=12800)]
train_cfg = dict(max_iters=13000)
