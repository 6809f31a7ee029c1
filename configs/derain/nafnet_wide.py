# NAFNet, trained further from the weights of nafnet_photographs.py on a wider mixture of rain and scenes (a warm
# restart); not in a paper
_base_ = ['../_base_/models/nafnet.py', '../_base_/datasets/photographs_wide.py', '../_base_/schedules/photographs.py']
load_from = 'tools/dev/training_state/nafnet_photographs_weights.pth'
optim_wrapper = dict(optimizer=dict(lr=6e-4))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=9800)]
train_cfg = dict(max_iters=10000)
