# Faster R-CNN R50-FPN on COCO, tested on the rainy images of DAWN (made by tools/prepare_dataset.py dawn_rain)
# Source of the layout of DAWN, which the publisher does not describe:
# https://github.com/ManhHung110106/Restore-image-Detect-object-under-Abnormal-Weather/blob/main/src/data/dawn_prepare.py
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
test_dataloader = dict(dataset=dict(data_root='data/dawn_rain/', ann_file='test.json', data_prefix=dict(img='images/')))
test_evaluator = dict(ann_file='data/dawn_rain/test.json')
