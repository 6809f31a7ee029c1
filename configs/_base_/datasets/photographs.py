# Free photographs with rain drawn over 96x96 crops as they are loaded: light to heavy, and a sixth of them left dry.
# Held-out photographs under heavy rain show how the training goes. docs/en/training_queue.md: how they are made.
rain = ['light:1', *['light'] * 3, *['varied-light'] * 2, 'heavy:2', 'heavy', *['varied-heavy'] * 2, *['none'] * 2]
source = dict(
    name='rain-free photographs',
    published_at='any free collection; docs/en/training_queue.md names the one of the bundled weights',
    layout='data/photographs/*.png   data/photographs_held_out/*.png   (tools/prepare_dataset.py photographs)',
)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', infinite=True),
    dataset=dict(
        type='ImageFolderDataset',
        data_root='data/photographs',
        source=source,
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(
                type='RandomChoiceResize',
                scales=[(2000, short) for short in (256, 288, 320, 360, 400)],
                keep_ratio=True,
            ),
            dict(type='PairedRandomCrop', crop_size=96),
            dict(type='PairedRandomFlip'),
            dict(type='SynthesizeRain', preset=rain),
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
        data_root='data/photographs_held_out',
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
