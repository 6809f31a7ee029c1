# Rain-free photographs. In training, light or heavy rain is drawn over crops of 128x128 pixels.
_base_ = './rain_free.py'
source = dict(
    name='rain-free photographs, for example those of BSDS500',
    published_at='https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html (BSDS500)',
    layout="""
data/bsds/
    train/*.jpg   val/*.jpg   (any rain-free images that are not clean images of your test set)
""",
)
train_dataloader = dict(
    num_workers=4,
    dataset=dict(
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
    num_workers=2,
    persistent_workers=True,
    dataset=dict(data_root='data/bsds/val', source=source),
)
val_dataloader = test_dataloader
