# JDNet, Table 2, R2 (R1 + self-calibrated convolution): PSNR-RGB 30.0307, SSIM-RGB(same) 0.9219
_base_ = './jdnet_rain200h.py'
model = dict(network=dict(use_attention=False))
train_dataloader = dict(batch_size=24)  # the batch size in the authors' code for this row
auto_scale_lr = dict(base_batch_size=24)
