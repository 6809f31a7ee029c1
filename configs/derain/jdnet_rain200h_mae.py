# JDNet, Table 3, MAE: PSNR-RGB 29.2365, SSIM-RGB(same) 0.9002
_base_ = './jdnet_rain200h.py'
model = dict(loss=dict(type='L1Loss'))
