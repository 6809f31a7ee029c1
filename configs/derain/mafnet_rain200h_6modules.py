# MAFNet, Table 3, six modules, Rain200H: PSNR-Y 29.34, SSIM-Y 0.893
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(num_modules=6))
