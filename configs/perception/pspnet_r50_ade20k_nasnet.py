# PSPNet-R50 on ADE20K (41.13 mIoU on clean pictures: mmseg's model card), NASNet ahead
_base_ = 'mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py'
derain = dict(
    type='mmderain.Derain',
    config='mmderain::derain/nasnet_rain100h.py',
    checkpoint='work_dirs/nasnet_rain100h/iter_300000.pth',
)
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, derain)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
