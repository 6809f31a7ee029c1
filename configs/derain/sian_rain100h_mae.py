# SIAN, Table II, MAE loss, Rain100H: PSNR-Y 30.12, SSIM-Y 0.904
# The loss is summed over the six stages. The paper describes the sum only for the negative SSIM.
_base_ = './sian_rain100h.py'
model = dict(loss=dict(type='L1Loss'))
