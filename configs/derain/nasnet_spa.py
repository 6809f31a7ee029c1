# NASNet, Table 3, SPA-REAL: PSNR-RGB 43.50, SSIM-RGB(uniform7) 0.9879
_base_ = ['../_base_/models/nasnet.py', '../_base_/datasets/spa.py', '../_base_/schedules/nasnet.py']
model = dict(mean=[0.37963131, 0.37317694, 0.34395947], std=[0.14067527, 0.13811357, 0.1289146])
train_dataloader = _base_.pop('train_loader')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(uniform7)'])
val_evaluator = test_evaluator
