# Common settings of the data sets of rain-free images. Rain is drawn over each image when the image is loaded. Tests
# use heavy rain, which is the same in every run. The config of each data set adds its folders, its source and its
# training pipeline.
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
# Validation only shows the progress of the training. It does not select a checkpoint.
val_dataloader = test_dataloader
test_evaluator = dict(type='ImageQuality', protocols=['PSNR-Y', 'SSIM-Y(valid)'], with_input=True)
val_evaluator = test_evaluator
