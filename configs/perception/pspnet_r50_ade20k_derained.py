# PSPNet-R50 on ADE20K (41.13 mIoU on clean images: mmseg's model card) behind a derainer
_base_ = ['mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py', './_base_/derain.py']
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, _base_.derain)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
