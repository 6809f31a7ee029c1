# NASNet, Tables 6 and 7, PlainNet (no attention), SPA-REAL: PSNR-RGB 40.85, SSIM-RGB(uniform7) 0.9841
_base_ = './nasnet_spa_200k.py'
model = dict(network=dict(attention=None))
