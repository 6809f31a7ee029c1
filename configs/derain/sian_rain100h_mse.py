# SIAN, Table II, MSE loss, Rain100H: PSNR-Y 30.03, SSIM-Y 0.902
_base_ = './sian_rain100h.py'
model = dict(loss=dict(type='MSELoss'))
