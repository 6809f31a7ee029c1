# JDNet, Table 2, R1 (scale aggregation alone): PSNR-RGB 29.3357, SSIM-RGB(same) 0.9130
_base_ = './jdnet_rain200h.py'
model = dict(network=dict(use_attention=False, use_calibration=False))
