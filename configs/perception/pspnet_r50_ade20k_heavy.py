# PSPNet-R50 on ADE20K, tested under heavy rain (on clean images: 41.13 mIoU, from mmseg's model card)
_base_ = 'mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py'
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, dict(type='mmderain.SynthesizeRain', preset='heavy', seed=0, data_root='data/ade'))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
