# NAFNet of width 24 on photographs with light to heavy rain; not in a paper
_base_ = './nafnet_photographs.py'
model = dict(network=dict(width=24))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=12500)]
train_cfg = dict(max_iters=12700)
