# NASNet, Tables 7 and 9, SPA-REAL, 200,000 steps, initial rate 1e-4: PSNR-RGB 41.1373, SSIM-RGB(uniform7) 0.9843
# The paper gives the rate and the number of steps. The cosine over all steps is our choice, as in the longer training.
_base_ = './nasnet_spa.py'
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=200000, eta_min=0, by_epoch=False)]
train_cfg = dict(max_iters=200000)
