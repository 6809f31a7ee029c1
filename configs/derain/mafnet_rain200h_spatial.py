# MAFNet, Table 1, spatial attention only, Rain200H: PSNR-Y 30.01, SSIM-Y 0.900
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(interaction='spatial'))
