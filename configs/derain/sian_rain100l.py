# SIAN, Tables II, III and V, Rain100L: PSNR-Y 38.80, SSIM-Y 0.984
_base_ = ['../_base_/models/sian.py', '../_base_/datasets/rain100l.py', '../_base_/schedules/sian.py']
model = dict(network=dict(init_cfg=_base_.pop('init_cfg')))
# 120x120 patches on a grid of stride 40. The training also uses the mirror image of each patch.
train_dataloader = _base_.pop('train_loader')
train_dataloader.dataset.update(patches=dict(size=120, stride=40, hflip=True))
