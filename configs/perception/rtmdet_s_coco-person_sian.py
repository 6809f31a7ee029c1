# RTMDet-s for persons only, SIAN ahead
_base_ = './rtmdet_s_coco-person.py'
derain = dict(
    type='mmderain.Derain',
    config='mmderain::derain/sian_rain100h.py',
    checkpoint='work_dirs/sian_rain100h/epoch_100.pth',
)
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, derain)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
