# MAFNet, Table 4, 32 kernels, Rain200H: PSNR-Y 28.82, SSIM-Y 0.882
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(channels=32))
