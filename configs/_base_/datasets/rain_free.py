# Common settings of the sets of rain-free images: rain is drawn over the images as they are loaded. A test draws heavy
# rain, the same in every run. Each set adds its folders, its source and the training pipeline.
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', infinite=True),
    dataset=dict(type='ImageFolderDataset'),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ImageFolderDataset',
        test_mode=True,
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='SynthesizeRain', preset='heavy', seed=0),
            dict(type='PackDerainInputs'),
        ],
    ),
)
# The validation shows the progress of the training; no checkpoint is chosen by it.
val_dataloader = test_dataloader
test_evaluator = dict(type='ImageQuality', protocols=['PSNR-Y', 'SSIM-Y(valid)'], with_input=True)
val_evaluator = test_evaluator
