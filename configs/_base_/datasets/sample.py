# The photographs in demo/sample. In training, heavy rain is drawn over crops of 64x64 pixels.
_base_ = './rain_free.py'
source = dict(
    name='the sample images of mmderain',
    published_at='demo/sample in the checkout of mmderain (not part of the wheel)',
    layout='demo/sample/train/*.jpg   demo/sample/test/*.jpg   (start the command in the root of the checkout)\n'
    'Any other folder of rain-free images can be used: docs/en/training.md',
)
train_dataloader = dict(
    dataset=dict(
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
test_dataloader = dict(dataset=dict(data_root='demo/sample/test', source=source))
val_dataloader = test_dataloader
