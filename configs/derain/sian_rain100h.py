# SIAN, Tables II, III and V, Rain100H: PSNR-Y 30.33, SSIM-Y 0.909
_base_ = ['../_base_/models/sian.py', '../_base_/datasets/rain100h.py', '../_base_/schedules/sian.py']
model = dict(network=dict(init_cfg=_base_.pop('init_cfg')))
# 120x120 patches on a grid of stride 80. Of the 1,800 training images, only those 1,254 images are used whose clean
# image is not in the test set.
train_dataloader = _base_.pop('train_loader')
train_dataloader.dataset.update(
    patches=dict(size=120, stride=80),
    ann_file='without_test_backgrounds.txt',
    source=dict(ann_file='`python tools/prepare_dataset.py rain100h SRC` writes this file.'),
)
