# MAFNet, Table 5, SPA-Data: PSNR-Y 35.25, SSIM-Y 0.955. Test only, with the weights of mafnet_rain200h.py.
_base_ = ['../_base_/models/mafnet.py', '../_base_/datasets/spa.py', '../_base_/default_runtime.py']
test_cfg = dict(type='TestLoop')
train_dataloader = None
val_dataloader = None
val_evaluator = None
