# SIAN, Table V, baseline (one stage, mask 0), Rain100H: PSNR-Y 28.55, SSIM-Y 0.893
_base_ = './sian_rain100h.py'
model = dict(network=dict(num_stages=1, use_attention=False))
