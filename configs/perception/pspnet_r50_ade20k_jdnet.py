# PSPNet-R50 on ADE20K (41.13 mIoU on clean pictures: mmseg's model card), JDNet ahead
_base_ = 'mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py'
derain = dict(
    type='mmderain.Derain',
    config='mmderain::derain/jdnet_rain200h.py',
    checkpoint='work_dirs/jdnet_rain200h/epoch_1000.pth',
)
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, derain)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
