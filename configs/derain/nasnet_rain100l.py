# NASNet, Table 2, Rain100L: PSNR-RGB 39.55, SSIM-RGB(uniform7) 0.9880
_base_ = ['../_base_/models/nasnet.py', '../_base_/datasets/rain100l.py', '../_base_/schedules/nasnet.py']
model = dict(mean=[0.20238657, 0.20641472, 0.17443697], std=[0.27103779, 0.2704343, 0.23743652])
train_dataloader = _base_.pop('train_loader')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(uniform7)'])
val_evaluator = test_evaluator
