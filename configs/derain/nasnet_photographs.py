# A compact NASNet (width 16, two stages of four blocks) on photographs with light to heavy rain; not in a paper
_base_ = ['../_base_/models/nasnet.py', '../_base_/datasets/photographs.py', '../_base_/schedules/photographs.py']
model = dict(
    network=dict(channels=16, num_stages=2, num_blocks=4),
    loss=[dict(type='SSIMLoss'), dict(type='L1Loss', loss_weight=2)],
)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=9800)]
train_cfg = dict(max_iters=10000)
