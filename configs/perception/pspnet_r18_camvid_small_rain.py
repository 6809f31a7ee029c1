# The baseline for all derainers: the small PSPNet, fine-tuned on rain without a derainer
_base_ = ['./pspnet_r18_camvid_small.py', './_base_/camvid_rain.py']
train_pipeline = _base_.train_pipeline
train_pipeline.insert(1, _base_.rain)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline), num_workers=2)
load_from = 'work_dirs/pspnet_r18_camvid_small/iter_1000.pth'
max_iters = 200
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=max_iters, by_epoch=False)]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=100))
