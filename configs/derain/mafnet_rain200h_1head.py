# MAFNet, Table 2, one head, Rain200H: PSNR-Y 29.50, SSIM-Y 0.895
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(num_heads=1))
