# SIAN, Table V, + LSTM (six stages, mask 0), Rain100H: PSNR-Y 30.20, SSIM-Y 0.906
_base_ = './sian_rain100h.py'
model = dict(network=dict(use_attention=False))
