# SIAN, Table II, MAE loss, Rain100L: PSNR-Y 38.54, SSIM-Y 0.981
# The loss is summed over the six stages. The paper describes the sum only for the negative SSIM.
_base_ = './sian_rain100l.py'
model = dict(loss=dict(type='L1Loss'))
