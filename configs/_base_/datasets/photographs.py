# Free photographs. In training, light to heavy rain is drawn over crops of 96x96 pixels. One crop in six stays without
# rain. The test images are photographs that are not in the training set. docs/en/training_queue.md describes both sets.
_base_ = './rain_free.py'
rain = ['light:1', *['light'] * 3, *['varied-light'] * 2, 'heavy:2', 'heavy', *['varied-heavy'] * 2, *['none'] * 2]
source = dict(
    name='rain-free photographs',
    published_at='use any free photographs; docs/en/training_queue.md describes the photographs of the bundled weights',
    layout='data/photographs/*.png   data/photographs_held_out/*.png   (made by tools/prepare_dataset.py photographs)',
)
train_dataloader = dict(
    dataset=dict(
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
test_dataloader = dict(dataset=dict(data_root='data/photographs_held_out', source=source))
val_dataloader = test_dataloader
