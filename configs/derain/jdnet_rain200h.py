# JDNet, Table 1 (there called Rain100H): PSNR-RGB 30.02, SSIM-RGB(same) 0.92; Tables 2 and 3: 30.0160, 0.9221
_base_ = ['../_base_/models/jdnet.py', '../_base_/datasets/rain200h.py', '../_base_/schedules/jdnet.py']
train_dataloader = _base_.pop('train_loader')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(same)', 'PSNR-RGB(float)', 'SSIM-RGB(float,same)'])
val_evaluator = test_evaluator
