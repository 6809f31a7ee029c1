# PSPNet-R50 on Cityscapes, tested on the rainy validation images of ACDC (on Cityscapes: 78.55 mIoU, from mmseg's model
# card). Both data sets have the same classes.
# Sources of the layout of ACDC: https://github.com/w1oves/Rein/blob/main/configs/_base_/datasets/rain-acdc_1024x1024.py
# and https://github.com/lhoyer/HRDA/blob/master/mmseg/datasets/acdc.py
_base_ = 'mmseg::pspnet/pspnet_r50-d8_4xb2-80k_cityscapes-512x1024.py'
test_pipeline = [
    dict(type='mmderain.LoadImageFromFile'),
    dict(type='Resize', scale=(1920, 1080), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
test_dataloader = dict(
    dataset=dict(
        data_root='data/acdc/',
        data_prefix=dict(img_path='rgb_anon/rain/val', seg_map_path='gt/rain/val'),
        img_suffix='_rgb_anon.png',
        seg_map_suffix='_gt_labelTrainIds.png',
        pipeline=test_pipeline,
    )
)
