# SIAN, Table IV, Rain1400: PSNR-Y 32.80, SSIM-Y 0.946
_base_ = ['../_base_/models/sian.py', '../_base_/datasets/rain1400.py', '../_base_/schedules/sian.py']
model = dict(network=dict(init_cfg=_base_.pop('init_cfg')))
# 120x120 patches on a grid of stride 100
train_dataloader = _base_.pop('train_loader')
train_dataloader.dataset.update(patches=dict(size=120, stride=100))
train_cfg = dict(max_epochs=50)
