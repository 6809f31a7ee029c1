# MAFNet, Table 4, 96 kernels, Rain200H: PSNR-Y 29.01, SSIM-Y 0.884
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(channels=96))
