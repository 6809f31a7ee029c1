# A warm restart of NAFNet from the bundled weights, on crops of 192x192; no paper's row
_base_ = './nafnet_photographs.py'
load_from = 'mmderain/weights/nafnet.pth'
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=_base_.train_dataloader.dataset.pipeline))
train_dataloader['dataset']['pipeline'][2]['crop_size'] = 192
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=11800)]
train_cfg = dict(max_iters=12000)
