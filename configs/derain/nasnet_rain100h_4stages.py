# NASNet, Table 8, four stages, Rain100H: PSNR-RGB 30.4611, SSIM-RGB(uniform7) 0.9257
_base_ = './nasnet_rain100h.py'
model = dict(network=dict(num_stages=4))
