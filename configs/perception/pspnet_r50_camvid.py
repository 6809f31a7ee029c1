# PSPNet-R50 on CamVid without rain
_base_ = [
    'mmseg::_base_/models/pspnet_r50-d8.py',
    './_base_/camvid_segmentation.py',
    'mmseg::_base_/default_runtime.py',
    'mmseg::_base_/schedules/schedule_40k.py',
]
model = dict(
    data_preprocessor=dict(size=(240, 320), seg_pad_val=11),
    decode_head=dict(num_classes=11, ignore_index=11),
    auxiliary_head=dict(num_classes=11, ignore_index=11),
)
