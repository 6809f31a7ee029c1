# MAFNet, Table 2, sixteen heads, Rain200H: PSNR-Y 29.64, SSIM-Y 0.896
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(num_heads=16))
