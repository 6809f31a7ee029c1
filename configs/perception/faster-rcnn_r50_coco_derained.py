# Faster R-CNN R50-FPN on COCO, tested behind a derainer (without a derainer: 37.4 box AP, from mmdet's model card)
# The images have no rain. Therefore this test measures how much the derainer lowers the score on images without rain.
_base_ = ['mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', './_base_/derain.py']
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, _base_.derain)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
