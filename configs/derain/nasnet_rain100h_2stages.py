# NASNet, Table 8, two stages, Rain100H: PSNR-RGB 29.7786, SSIM-RGB(uniform7) 0.9170
_base_ = './nasnet_rain100h.py'
model = dict(network=dict(num_stages=2))
