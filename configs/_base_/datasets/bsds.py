# Rain-free photographs, rain drawn over them as they are loaded: light or heavy in training, heavy and light in tests.
source = dict(
    name='rain-free photographs, for example those of BSDS500',
    published_at='https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html (BSDS500)',
    layout="""
data/bsds/
    train/*.jpg   val/*.jpg   (any rain-free pictures; none of a background that you test on)
""",
)
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='SeededSampler', infinite=True),
    dataset=dict(
        type='ImageFolderDataset',
        data_root='data/bsds/train',
        source=source,
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='PairedRandomCrop', crop_size=128),
            dict(type='PairedRandomFlip'),
            dict(type='SynthesizeRain', preset=['light', 'heavy']),
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
        type='ImageFolderDataset',
        data_root='data/bsds/val',
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
