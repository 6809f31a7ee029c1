# Faster R-CNN R50-FPN on COCO, tested on the hazy images of RTTS (made by tools/prepare_dataset.py rtts)
# Source of the layout of RTTS: https://github.com/BIGWangYuDong/lqit/blob/main/docs/en/prepare_data/rtts.md
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
test_dataloader = dict(dataset=dict(data_root='data/rtts/', ann_file='test.json', data_prefix=dict(img='images/')))
test_evaluator = dict(ann_file='data/rtts/test.json')
