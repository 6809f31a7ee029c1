# MAFNet, Table 3, seven modules, Rain200H: PSNR-Y 29.70, SSIM-Y 0.897
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(num_modules=7))
