# SIAN, Table II, MSE loss, Rain100H: PSNR-Y 30.03, SSIM-Y 0.902
# The loss is summed over the six stages. The paper describes the sum only for the negative SSIM.
_base_ = './sian_rain100h.py'
model = dict(loss=dict(type='MSELoss'))
