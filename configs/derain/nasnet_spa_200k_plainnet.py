# NASNet, Table 7, PlainNet (no attention), SPA-REAL: PSNR-RGB 40.85, SSIM-RGB(uniform7) 0.9841. Table 6 gives the
# number of parameters, under the name "NASNet without NA".
_base_ = './nasnet_spa_200k.py'
model = dict(network=dict(attention=None))
