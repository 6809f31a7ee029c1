# MAFNet, Table 1, interaction by convolution, Rain200H: PSNR-Y 29.21, SSIM-Y 0.890
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(interaction='conv'))
