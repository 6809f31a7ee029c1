# RAdam, a cosine over 300,000 steps of two crops.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='RAdam', lr=2e-4))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=300000, eta_min=0, by_epoch=False)]
auto_scale_lr = dict(enable=False, base_batch_size=2)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=300000, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
