# NASNet, Table 5, MPID rain drop: PSNR-RGB 30.75, SSIM-RGB(uniform7) 0.9255
_base_ = ['../_base_/models/nasnet.py', '../_base_/datasets/mpid_drop.py', '../_base_/schedules/nasnet.py']
model = dict(mean=[0.50788142, 0.5181989, 0.484861], std=[0.18620518, 0.18312409, 0.19519102])
train_dataloader = _base_.pop('train_loader')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(uniform7)'])
val_evaluator = test_evaluator
