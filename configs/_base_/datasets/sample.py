# Free photographs that ship with the project; rain is drawn over them as they are loaded.
source = dict(
    name='the sample pictures of mmderain',
    published_at='demo/sample in the checkout of mmderain (not part of the wheel)',
    layout='demo/sample/train/*.jpg   demo/sample/test/*.jpg   (run from the top of the checkout)\n'
    'Any other folder of rain-free pictures will do: docs/en/training.md',
)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', infinite=True),
    dataset=dict(
        type='ImageFolderDataset',
        data_root='demo/sample/train',
        source=source,
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='PairedRandomCrop', crop_size=64),
            dict(type='PairedRandomFlip'),
            dict(type='SynthesizeRain', preset='heavy'),
            dict(type='PackDerainInputs'),
        ],
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ImageFolderDataset',
        data_root='demo/sample/test',
        source=source,
        test_mode=True,
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='SynthesizeRain', preset='heavy', seed=0),
            dict(type='PackDerainInputs'),
        ],
    ),
)
test_evaluator = dict(type='ImageQuality', protocols=['PSNR-Y', 'SSIM-Y(valid)'], with_input=True)
val_dataloader = test_dataloader
val_evaluator = test_evaluator
