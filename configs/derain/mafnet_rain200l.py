# MAFNet, Table 6, Rain200L: PSNR-Y 40.38, SSIM-Y 0.987
_base_ = ['../_base_/models/mafnet.py', '../_base_/datasets/rain200l.py', '../_base_/schedules/mafnet.py']
train_dataloader = dict(batch_size=4)
