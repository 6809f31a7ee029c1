# RTMDet-s for persons only, NASNet ahead
_base_ = './rtmdet_s_coco-person.py'
derain = dict(
    type='mmderain.Derain',
    config='mmderain::derain/nasnet_rain100h.py',
    checkpoint='work_dirs/nasnet_rain100h/iter_300000.pth',
)
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, derain)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
