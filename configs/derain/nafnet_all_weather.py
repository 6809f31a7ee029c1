# NAFNet, trained further from the bundled weights of nafnet_wide.py on streaks, mist and drops (a warm restart); not in
# a paper
_base_ = [
    '../_base_/models/nafnet.py',
    '../_base_/datasets/photographs_all_weather.py',
    '../_base_/schedules/photographs.py',
]
load_from = 'mmderain/weights/nafnet.pth'
optim_wrapper = dict(optimizer=dict(lr=6e-4))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=3400)]
train_cfg = dict(max_iters=3600)
