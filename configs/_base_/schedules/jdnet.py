# JDNet's recipe: Adam for 1,000 epochs. The learning rate is divided by 10 after 600 and 800 epochs. An epoch takes one
# random crop of each image.
_base_ = '../default_runtime.py'
# A config takes this entry by train_dataloader = _base_.pop('train_loader').
train_loader = dict(
    batch_size=12,
    dataset=dict(
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='PairedRandomCrop', crop_size=64),
            dict(type='PackDerainInputs'),
        ],
    ),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=5e-4))
param_scheduler = [dict(type='MultiStepLR', milestones=[600, 800], gamma=0.1, by_epoch=True)]
auto_scale_lr = dict(enable=False, base_batch_size=12)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1000, val_interval=50)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
