# The rival of every derainer: the small ATSS fine-tuned on rain, with none ahead
_base_ = './atss_r18_camvid_small.py'
# Four pictures of five in rain, so that clean ones are not forgotten.
rain = dict(
    type='RandomApply',
    prob=0.8,
    transforms=[dict(type='mmderain.SynthesizeRain', preset=['light', 'heavy'], data_root='data/camvid')],
)
train_pipeline = _base_.train_pipeline
train_pipeline.insert(1, rain)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
load_from = 'work_dirs/atss_r18_camvid_small/iter_1200.pth'
max_iters = 200
optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, begin=0, end=max_iters, T_max=max_iters)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=100))
