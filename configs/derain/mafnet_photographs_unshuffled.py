# MAFNet of width 32 behind a pixel-unshuffle, on photographs with light to heavy rain; not in a paper
_base_ = './mafnet_photographs.py'
model = dict(
    network=dict(_delete_=True, type='PixelUnshuffled', network=dict(type='MAFNet', channels=32, num_modules=2))
)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=7500)]
train_cfg = dict(max_iters=7700)
