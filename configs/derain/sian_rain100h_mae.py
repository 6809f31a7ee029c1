# SIAN, Table II, MAE loss, Rain100H: PSNR-Y 30.12, SSIM-Y 0.904
_base_ = './sian_rain100h.py'
model = dict(loss=dict(type='L1Loss'))
