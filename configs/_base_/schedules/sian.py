# SIAN's recipe: Adam with a constant learning rate and the betas of the authors' code. A batch has 18 patches. The
# patches of an image lie on a grid.
_base_ = '../default_runtime.py'
# The initial weights of the authors' code. A config takes this entry by _base_.pop('init_cfg').
init_cfg = dict(type='Normal', layer='Conv2d', std=0.02, bias=0)
# A config takes this entry by train_dataloader = _base_.pop('train_loader'), and adds the grid of its data set.
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
