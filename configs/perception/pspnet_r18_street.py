# The person segmentor of the demo: PSPNet with a ResNet-18 of quarter width, for one fixed camera
_base_ = ['./_base_/pspnet_r18.py', './_base_/street_segmentation.py']
model = dict(
    data_preprocessor=dict(size=(256, 384), seg_pad_val=255),
    backbone=dict(base_channels=16),
    decode_head=dict(in_channels=128, channels=32, num_classes=2, ignore_index=255),
    auxiliary_head=dict(in_channels=64, channels=16, num_classes=2, ignore_index=255),
)
visualizer = dict(alpha=0.35)  # at this opacity, the street stays visible under the drawn labels
