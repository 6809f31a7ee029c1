# NASNet, Table 7, SENet (SE blocks in place of the attention), SPA-REAL: PSNR-RGB 40.93, SSIM-RGB(uniform7) 0.9838
_base_ = './nasnet_spa_200k.py'
model = dict(network=dict(attention='se'))
