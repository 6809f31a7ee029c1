# SIAN, Table V, + LSTM (six stages, mask 0), Rain100L: PSNR-Y 38.68, SSIM-Y 0.982
_base_ = './sian_rain100l.py'
model = dict(network=dict(use_attention=False))
