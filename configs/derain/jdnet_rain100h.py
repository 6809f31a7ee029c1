# JDNet on the older Rain100H (1,800 training and 100 test pairs), which its paper does not use.
# The test set contains the clean images of 546 training images. See `nasnet_rain100h` in docs/en/paper_tables.md.
_base_ = ['../_base_/models/jdnet.py', '../_base_/datasets/rain100h.py', '../_base_/schedules/jdnet.py']
train_dataloader = _base_.pop('train_loader')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(same)', 'PSNR-RGB(float)', 'SSIM-RGB(float,same)'])
val_evaluator = test_evaluator
