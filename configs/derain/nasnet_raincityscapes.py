# NASNet, Table 4, RainCityscapes: PSNR-RGB 34.79, SSIM-RGB(uniform7) 0.9888
_base_ = ['../_base_/models/nasnet.py', '../_base_/datasets/raincityscapes.py', '../_base_/schedules/nasnet.py']
model = dict(mean=[0.39394617, 0.44335372, 0.40406548], std=[0.14550411, 0.15230632, 0.15129043])
train_dataloader = _base_.pop('train_loader')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(uniform7)'])
val_evaluator = test_evaluator
