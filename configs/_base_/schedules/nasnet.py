# NASNet's recipe: RAdam, with a learning rate that follows a cosine over 300,000 steps. A batch has two random crops,
# which are mirrored and rotated at random.
# The paper does not give these details, which follow the authors' code: the learning rate changes at every step and
# ends at 0, half of the crops are mirrored, and 0 degrees is as probable as 90, 180 and 270 degrees. The paper trained
# on two GPUs. This recipe reads its batch size of two as the total of both GPUs.
_base_ = '../default_runtime.py'
# A config takes this entry by train_dataloader = _base_.pop('train_loader').
train_loader = dict(
    batch_size=2,
    sampler=dict(infinite=True),
    dataset=dict(
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='PairedRandomCrop', crop_size=240),
            dict(type='PairedRandomFlip', prob=0.5),
            dict(type='PairedRandomRotate90'),
            dict(type='PackDerainInputs'),
        ],
    ),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='RAdam', lr=2e-4))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=300000, eta_min=0, by_epoch=False)]
auto_scale_lr = dict(enable=False, base_batch_size=2)
train_cfg = dict(type='IterBasedTrainLoop', max_iters=300000, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(checkpoint=dict(interval=10000, by_epoch=False))
log_processor = dict(by_epoch=False)
