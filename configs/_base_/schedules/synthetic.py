# Our recipe for rain-free images with synthetic rain: Adam, with a learning rate that follows a cosine over 60,000
# steps.
_base_ = '../default_runtime.py'
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-4))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=60000, eta_min=1e-6, by_epoch=False)]
auto_scale_lr = dict(enable=False, base_batch_size=8)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=60000, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(interval=5000, by_epoch=False))
log_processor = dict(by_epoch=False)
