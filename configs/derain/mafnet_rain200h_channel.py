# MAFNet, Table 1, channel attention only, Rain200H: PSNR-Y 29.97, SSIM-Y 0.900
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(interaction='channel'))
