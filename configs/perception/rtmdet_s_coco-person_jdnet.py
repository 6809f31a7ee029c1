# RTMDet-s for persons only, JDNet ahead
_base_ = './rtmdet_s_coco-person.py'
derain = dict(
    type='mmderain.Derain',
    config='mmderain::derain/jdnet_rain200h.py',
    checkpoint='work_dirs/jdnet_rain200h/epoch_1000.pth',
)
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, derain)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
