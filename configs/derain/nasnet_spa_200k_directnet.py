# NASNet, Table 9, DirectNet (no fusion of the stages), SPA-REAL: PSNR-RGB 40.9513, SSIM-RGB(uniform7) 0.9840
_base_ = './nasnet_spa_200k.py'
model = dict(network=dict(fuse_stages=False))
