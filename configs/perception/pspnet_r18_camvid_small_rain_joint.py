# The small PSPNet behind a SIAN. Both are fine-tuned on rain. The only loss is the segmentation loss.
_base_ = './pspnet_r18_camvid_small_rain_sian.py'
model = dict(data_preprocessor=dict(freeze=False))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'derainer': dict(lr_mult=0.2)}))
