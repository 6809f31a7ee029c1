# Rain for fine-tuning on the street. About one image in five stays clean, so that the model does not forget clean
# images.
rain = dict(
    type='RandomApply',
    prob=0.8,
    transforms=[
        dict(type='mmderain.SynthesizeRain', preset=['light', 'heavy:2', 'heavy', 'heavy:5'], data_root='data/street')
    ],
)
