# Adam, divided by 10 after 600 and 800 of 1,000 epochs; an epoch is one random 64x64 crop of each image.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-4))
param_scheduler = [dict(type='MultiStepLR', milestones=[600, 800], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(enable=False, base_batch_size=12)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1000, val_interval=50)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
