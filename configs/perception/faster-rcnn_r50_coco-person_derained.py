# Faster R-CNN R50-FPN for persons only, tested behind a derainer
# The images have no rain. Therefore this test measures how much the derainer lowers the score on images without rain.
_base_ = ['./faster-rcnn_r50_coco-person.py', './_base_/derain.py']
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, _base_.derain)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
