# MAFNet, Table 3, ten modules, Rain200H: PSNR-Y 29.87, SSIM-Y 0.900
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(num_modules=10))
