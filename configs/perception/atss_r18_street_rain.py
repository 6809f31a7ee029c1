# The baseline for all derainers: the person detector of the demo, fine-tuned on rain without a derainer
_base_ = ['./atss_r18_street.py', './_base_/street_rain.py']
train_pipeline = _base_.train_pipeline
train_pipeline.insert(1, _base_.rain)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
load_from = 'mmderain/weights/street_detector.pth'
max_iters = 150
optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, begin=0, end=max_iters, T_max=max_iters)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=max_iters))
