# The photographs of sample.py, scaled to several sizes. In training, light to heavy rain is drawn over crops of 96x96
# pixels.
_base_ = './sample.py'
rain = ['light:1', *['light'] * 3, *['varied-light'] * 2, 'heavy:2', 'heavy', *['varied-heavy'] * 2]
train_dataloader = dict(
    dataset=dict(
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
        ]
    )
)
