# MAFNet, Table 2, eight heads, Rain200H: PSNR-Y 29.46, SSIM-Y 0.894
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(num_heads=8))
