# A small SIAN (width 16, three stages) for the pictures that ship with the project: minutes on two cores.
_base_ = ['../_base_/models/sian.py', '../_base_/datasets/sample.py', '../_base_/default_runtime.py']
# The L1 term keeps brightness and colour, which SSIM alone learns late.
model = dict(
    network=dict(channels=16, num_stages=3),
    loss=[dict(type='SSIMLoss'), dict(type='L1Loss')],
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=900, eta_min=1e-5, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=900, val_interval=900)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(interval=300, by_epoch=False, max_keep_ckpts=1),
)
log_processor = dict(by_epoch=False)
