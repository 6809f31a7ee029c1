# A PSPNet that is small enough to build and run in a second.
_base_ = ['mmseg::_base_/models/pspnet_r50-d8.py', 'mmseg::_base_/default_runtime.py']
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=(96, 128)),
    backbone=dict(type='ResNet', depth=18, base_channels=16, norm_cfg=norm_cfg),
    decode_head=dict(in_channels=128, channels=16, num_classes=4, norm_cfg=norm_cfg),
    auxiliary_head=None,
)
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(128, 96)), dict(type='PackSegInputs')]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
