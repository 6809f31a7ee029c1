# RTMDet-s for persons only, to be trained on COCO
_base_ = 'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py'
persons = dict(classes=('person',), palette=[(220, 20, 60)])
model = dict(bbox_head=dict(num_classes=1))
train_dataloader = dict(dataset=dict(metainfo=persons))
val_dataloader = dict(dataset=dict(metainfo=persons))
test_dataloader = dict(dataset=dict(metainfo=persons))
