# Faster R-CNN R50-FPN for persons only, to be trained on COCO
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
persons = dict(classes=('person',), palette=[(220, 20, 60)])
model = dict(roi_head=dict(bbox_head=dict(num_classes=1)))
train_dataloader = dict(dataset=dict(metainfo=persons))
val_dataloader = dict(dataset=dict(metainfo=persons))
test_dataloader = dict(dataset=dict(metainfo=persons))
