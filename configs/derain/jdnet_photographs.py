# A compact JDNet (width 16, four units) on photographs with light to heavy rain; not in a paper
_base_ = ['../_base_/models/jdnet.py', '../_base_/datasets/photographs.py', '../_base_/schedules/photographs.py']
model = dict(
    network=dict(channels=16, num_units=4),
    loss=[dict(type='SSIMLoss'), dict(type='L1Loss', loss_weight=2)],
)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=4000)]
train_cfg = dict(max_iters=4200)
