# NAFNet, trained further from the weights of nafnet_photographs.py on crops of 192x192 (a warm restart); not in a paper
_base_ = './nafnet_photographs.py'
load_from = 'tools/dev/training_state/nafnet_photographs_weights.pth'
crops = _base_.train_dataloader.dataset.pipeline
pipeline = [*crops[:2], dict(type='PairedRandomCrop', crop_size=192), *crops[3:]]
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=pipeline))
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=11800)]
train_cfg = dict(max_iters=12000)
