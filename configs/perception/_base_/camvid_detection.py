# Boxes of cars, pedestrians and bicyclists in CamVid. `tools/prepare_dataset.py camvid_boxes` makes the boxes.
dataset_type = 'CocoDataset'
data_root = 'data/camvid'
boxes_root = 'data/camvid_boxes'
metainfo = dict(
    classes=('Car', 'Pedestrian', 'Bicyclist'),
    palette=[(255, 64, 64), (64, 220, 64), (64, 128, 255)],
)
train_pipeline = [
    dict(type='mmderain.LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.8, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(352, 480)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='mmderain.LoadImageFromFile'),
    dict(type='Resize', scale=(480, 360), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
common = dict(type=dataset_type, metainfo=metainfo, backend_args=None)
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        ann_file=f'{boxes_root}/train.json',
        data_prefix=dict(img=f'{data_root}/images/train/'),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=train_pipeline,
        **common,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        ann_file=f'{boxes_root}/val.json',
        data_prefix=dict(img=f'{data_root}/images/val/'),
        test_mode=True,
        pipeline=test_pipeline,
        **common,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        ann_file=f'{boxes_root}/test.json',
        data_prefix=dict(img=f'{data_root}/images/test/'),
        test_mode=True,
        pipeline=test_pipeline,
        **common,
    ),
)
val_evaluator = dict(type='CocoMetric', ann_file=f'{boxes_root}/val.json', metric='bbox')
test_evaluator = dict(type='CocoMetric', ann_file=f'{boxes_root}/test.json', metric='bbox')
