# NASNet, Table 1, Rain100H: PSNR-RGB 30.38, SSIM-RGB(uniform7) 0.9252; Table 8 (three stages): 30.3777, 0.9252. Table 6
# gives the number of parameters.
# The test set contains the clean images of 546 training images. See `nasnet_rain100h` in docs/en/paper_tables.md.
_base_ = ['../_base_/models/nasnet.py', '../_base_/datasets/rain100h.py', '../_base_/schedules/nasnet.py']
model = dict(mean=[0.28889797, 0.29333464, 0.26457639], std=[0.35875455, 0.36073939, 0.33314634])
train_dataloader = _base_.pop('train_loader')
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(uniform7)'])
val_evaluator = test_evaluator
