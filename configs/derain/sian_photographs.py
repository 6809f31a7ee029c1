# A compact SIAN (width 24, three stages) on photographs with light to heavy rain; not in a paper
_base_ = ['../_base_/models/sian.py', '../_base_/datasets/photographs.py', '../_base_/schedules/photographs.py']
model = dict(
    network=dict(channels=24, num_stages=3),
    loss=[dict(type='SSIMLoss'), dict(type='L1Loss', loss_weight=2)],
)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=6800)]
train_cfg = dict(max_iters=7000)
