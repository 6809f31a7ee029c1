# MAFNet, Table 3, nine modules, Rain200H: PSNR-Y 29.84, SSIM-Y 0.901
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(num_modules=9))
