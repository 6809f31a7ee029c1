# JDNet, Table 3, MSE: PSNR-RGB 28.7797, SSIM-RGB(same) 0.8896
_base_ = './jdnet_rain200h.py'
model = dict(loss=dict(type='MSELoss'))
