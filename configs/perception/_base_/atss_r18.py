# A small ATSS that trains on two cores: timm's ResNet-18 of half width, without pretrained weights
_base_ = ['mmdet::_base_/default_runtime.py']
custom_imports = dict(imports=['mmseg.models'], allow_failed_imports=False)  # registers TIMMBackbone
model = dict(
    type='ATSS',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    # You can use any other convolutional network of timm. Then set `in_channels` of the neck to the numbers of channels
    # of this network at strides 8, 16 and 32.
    backbone=dict(
        type='mmseg.TIMMBackbone',
        model_name='resnet18',
        channels=(32, 64, 128, 256),
        pretrained=False,
        out_indices=(2, 3, 4),
    ),
    neck=dict(type='FPN', in_channels=[64, 128, 256], out_channels=64, num_outs=4, add_extra_convs='on_output'),
    bbox_head=dict(
        type='ATSSHead',
        num_classes=3,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        # The anchors are half as large as in mmdet's configs for COCO, because the median pedestrian has 13x38 pixels.
        anchor_generator=dict(
            type='AnchorGenerator', ratios=[1.0], octave_base_scale=4, scales_per_octave=1, strides=[8, 16, 32, 64]
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2]),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
        loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    ),
    train_cfg=dict(assigner=dict(type='ATSSAssigner', topk=9), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6), max_per_img=100
    ),
)
max_iters = 1200
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05), clip_grad=dict(max_norm=10)
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, begin=0, end=max_iters, T_max=max_iters),
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(by_epoch=False, interval=400, max_keep_ckpts=1),
    # After a training of only twenty minutes, few boxes have a score above 0.3, the default threshold of mmdet.
    visualization=dict(score_thr=0.15),
)
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
