# NASNet, Table 8, one stage, Rain100H: PSNR-RGB 28.9818, SSIM-RGB(uniform7) 0.9077
_base_ = './nasnet_rain100h.py'
model = dict(network=dict(num_stages=1))
