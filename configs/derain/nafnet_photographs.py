# NAFNet of width 16 on photographs with light to heavy rain; not in a paper
_base_ = ['../_base_/models/nafnet.py', '../_base_/datasets/photographs.py', '../_base_/schedules/photographs.py']
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=16800)]
train_cfg = dict(max_iters=17000)
