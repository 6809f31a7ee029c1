# MAFNet, Table 2, two heads, Rain200H: PSNR-Y 29.77, SSIM-Y 0.899
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(num_heads=2))
