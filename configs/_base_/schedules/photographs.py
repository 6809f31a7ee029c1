# Adam. The learning rate rises in 200 steps of warm-up, and then follows a cosine. The weights of a checkpoint are
# exponential moving averages. Each config sets train_cfg.max_iters. It also sets param_scheduler[1].T_max to max_iters
# minus 200.
_base_ = '../default_runtime.py'
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-3, fused=True),
    clip_grad=dict(max_norm=1),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=200, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=200, T_max=9800, eta_min=1e-6, by_epoch=False),
]
auto_scale_lr = dict(enable=False, base_batch_size=8)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=10000, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(interval=200, by_epoch=False, max_keep_ckpts=1))
custom_hooks = [dict(type='EMAHook', ema_type='MomentumAnnealingEMA', momentum=1e-3, gamma=10, update_buffers=True)]
log_processor = dict(by_epoch=False)
