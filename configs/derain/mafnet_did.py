# MAFNet, Table 6, DID: PSNR-Y 35.00, SSIM-Y 0.940
_base_ = ['../_base_/models/mafnet.py', '../_base_/datasets/did.py', '../_base_/schedules/mafnet.py']
train_dataloader = dict(batch_size=4)
