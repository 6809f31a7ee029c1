# NASNet, Table 5, MPID rain streak: PSNR-RGB 30.64, SSIM-RGB(uniform7) 0.8911
_base_ = ['../_base_/models/nasnet.py', '../_base_/datasets/mpid_streak.py', '../_base_/schedules/nasnet.py']
model = dict(mean=[0.47748442, 0.44561987, 0.40421578], std=[0.24147542, 0.23230714, 0.23012931])
train_dataloader = _base_.pop('train_loader')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(uniform7)'])
val_evaluator = test_evaluator
