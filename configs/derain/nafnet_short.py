# A short run of NAFNet, to compare settings by: loss -SSIM + 2 L1; no paper's row
_base_ = './nafnet_photographs.py'
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=5800)]
train_cfg = dict(max_iters=6000)
