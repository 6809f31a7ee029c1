# Faster R-CNN R50-FPN for persons only, MAFNet ahead
_base_ = './faster-rcnn_r50_coco-person.py'
derain = dict(
    type='mmderain.Derain',
    config='mmderain::derain/mafnet_rain200h.py',
    checkpoint='work_dirs/mafnet_rain200h/epoch_700.pth',
)
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, derain)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
