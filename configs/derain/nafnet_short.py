# A short training of NAFNet with the loss -SSIM + 2 L1, to compare it with nafnet_short_l1.py; not in a paper
_base_ = './nafnet_photographs.py'
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=5800)]
train_cfg = dict(max_iters=6000)
