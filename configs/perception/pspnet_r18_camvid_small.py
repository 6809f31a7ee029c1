# A small PSPNet on CamVid images that are reduced to 240x180. It trains on two cores, without pretrained weights.
_base_ = ['./_base_/pspnet_r18.py', './_base_/camvid_segmentation.py']
model = dict(
    data_preprocessor=dict(size=(180, 240), seg_pad_val=11),
    decode_head=dict(num_classes=11, ignore_index=11),
    auxiliary_head=dict(num_classes=11, ignore_index=11),
)
train_pipeline = [
    dict(type='mmderain.LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=(240, 180), keep_ratio=False),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='mmderain.LoadImageFromFile'),
    dict(type='Resize', scale=(240, 180), keep_ratio=False),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
