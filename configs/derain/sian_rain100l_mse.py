# SIAN, Table II, MSE loss, Rain100L: PSNR-Y 38.52, SSIM-Y 0.981
_base_ = './sian_rain100l.py'
model = dict(loss=dict(type='MSELoss'))
