# Rain for fine-tuning on CamVid, in four images of five, so that the model does not forget clean ones
rain = dict(
    type='RandomApply',
    prob=0.8,
    transforms=[dict(type='mmderain.SynthesizeRain', preset=['light', 'heavy'], data_root='data/camvid')],
)
