# The person detector of the demo: ATSS with timm's ResNet-18 of quarter width, for one fixed camera
_base_ = ['./_base_/atss_r18.py', './_base_/street_detection.py']
model = dict(
    backbone=dict(channels=(16, 32, 64, 128)),
    neck=dict(in_channels=[32, 64, 128]),
    bbox_head=dict(num_classes=1),
)
max_iters = 600
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, begin=0, end=max_iters, T_max=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=300), visualization=dict(score_thr=0.3))
