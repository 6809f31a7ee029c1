# The small PSPNet and the SIAN ahead of it, fine-tuned together on rain with the segmentation loss only
_base_ = './pspnet_r18_camvid_small_rain_sian.py'
model = dict(data_preprocessor=dict(freeze=False))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'derainer': dict(lr_mult=0.2)}))
