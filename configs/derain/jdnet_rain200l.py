# JDNet, Table 1 (there called Rain100L): PSNR-RGB 38.65, SSIM-RGB(same) 0.99
_base_ = ['../_base_/models/jdnet.py', '../_base_/datasets/rain200l.py', '../_base_/schedules/jdnet.py']
train_dataloader = _base_.pop('train_loader')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(same)', 'PSNR-RGB(float)', 'SSIM-RGB(float,same)'])
val_evaluator = test_evaluator
train_dataloader.batch_size = 32  # the batch size in the authors' code for this data set
auto_scale_lr = dict(base_batch_size=32)
