# PSPNet-R50 on ADE20K, tested behind a derainer (without a derainer: 41.13 mIoU, from mmseg's model card)
# The images have no rain. Therefore this test measures how much the derainer lowers the score on images without rain.
_base_ = ['mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py', './_base_/derain.py']
test_pipeline = _base_.test_pipeline
test_pipeline.insert(1, _base_.derain)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
