# Common settings of the paired data sets. The config of each data set adds its root, its pairing rule and its source.
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='SeededSampler'),
    dataset=dict(
        type='PairedImageDataset',
        data_prefix=dict(img='rain', gt='norain'),
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='PairedRandomCrop', crop_size=128),
            dict(type='PackDerainInputs'),
        ],
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PairedImageDataset',
        data_prefix=dict(img='rain', gt='norain'),
        test_mode=True,
        pipeline=[dict(type='LoadPairedImages'), dict(type='PackDerainInputs')],
    ),
)
# Validation only shows the progress of the training. It does not select a checkpoint.
val_dataloader = test_dataloader
test_evaluator = dict(type='ImageQuality', protocols=['PSNR-Y', 'SSIM-Y(valid)'], with_input=True)
val_evaluator = test_evaluator
