# PSPNet-R50, trained on clean CamVid, tested under heavy rain
_base_ = './pspnet_r50_camvid.py'
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, dict(type='mmderain.SynthesizeRain', preset='heavy', seed=0, data_root='data/camvid'))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
