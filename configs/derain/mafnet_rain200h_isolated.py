# MAFNet, Table 1, no cross-scale interaction, Rain200H: PSNR-Y 29.12, SSIM-Y 0.884
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(interaction='none'))
