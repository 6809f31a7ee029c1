# Faster R-CNN R50-FPN on the boxes of CamVid: 12 epochs, with a backbone pretrained on ImageNet
_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    './_base_/camvid_detection.py',
    'mmdet::_base_/schedules/schedule_1x.py',
    'mmdet::_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=3)))
train_dataloader = dict(sampler=dict(type='DefaultSampler'))
