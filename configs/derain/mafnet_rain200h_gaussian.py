# MAFNet, Table 1, fixed Gaussian pyramid, Rain200H: PSNR-Y 29.32, SSIM-Y 0.893
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(pyramid='gaussian'))
