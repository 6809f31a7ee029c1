# The photographs of photographs.py with harder images and rain: some crops resemble the night, some contain lamps,
# poles or railings. The rain has more sizes, slants and strengths. One crop in seven stays dry.
_base_ = './photographs.py'
rain = [
    *('light:1', 'light', 'light', 'varied-light', 'varied-light', 'heavy:2', 'heavy', 'heavy', 'varied-heavy'),
    *('wide-heavy', 'wide-heavy', 'wide-heavy', 'none', 'none'),
]
crops = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(
    batch_size=5,
    dataset=dict(
        pipeline=[
            *crops[:2],
            dict(type='PairedRandomCrop', crop_size=128),
            dict(type='PairedRandomFlip'),
            dict(type='DarkenToNight', prob=0.15),
            dict(type='DrawBrightObjects', prob=0.15),
            dict(type='SynthesizeRain', preset=rain, random_scale=(0.7, 1.5)),
            dict(type='PackDerainInputs'),
        ],
    ),
)
