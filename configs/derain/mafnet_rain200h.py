# MAFNet, Tables 1, 2, 3, 4 and 6, Rain200H: PSNR-Y 30.17, SSIM-Y 0.906
_base_ = ['../_base_/models/mafnet.py', '../_base_/datasets/rain200h.py', '../_base_/schedules/mafnet.py']
train_dataloader = dict(batch_size=4)
