# NASNet, MPID rain and mist. Section 4.3.4 leaves this data set out, so there is no score. The authors' code gives its
# mean and standard deviation.
_base_ = ['../_base_/models/nasnet.py', '../_base_/datasets/mpid_mist.py', '../_base_/schedules/nasnet.py']
model = dict(mean=[0.39551503, 0.3972878, 0.3676113], std=[0.14311445, 0.13827545, 0.1329295])
train_dataloader = _base_.pop('train_loader')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(uniform7)'])
val_evaluator = test_evaluator
