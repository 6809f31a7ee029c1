# JDNet, Table 2, R1 (scale aggregation alone): PSNR-RGB 29.3357, SSIM-RGB(same) 0.9130
_base_ = './jdnet_rain200h.py'
model = dict(network=dict(use_attention=False, use_calibration=False))
train_dataloader = dict(batch_size=28)  # the batch size in the authors' code for this row
auto_scale_lr = dict(base_batch_size=28)
