# SIAN's recipe: Adam at a constant rate, with the betas of the authors' code, on 18 patches of a grid.
_base_ = '../default_runtime.py'
# A config takes it by _base_.pop('train_loader') for its train_dataloader, and adds the grid of its data set.
train_loader = dict(
    batch_size=18,
    dataset=dict(
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='CropPatch'),
            dict(type='PackDerainInputs'),
        ],
    ),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-4, betas=(0.0, 0.999)))
auto_scale_lr = dict(enable=False, base_batch_size=18)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
