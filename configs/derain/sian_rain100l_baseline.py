# SIAN, Table V, baseline (one stage, mask 0), Rain100L: PSNR-Y 37.92, SSIM-Y 0.980
_base_ = './sian_rain100l.py'
model = dict(network=dict(num_stages=1, use_attention=False))
