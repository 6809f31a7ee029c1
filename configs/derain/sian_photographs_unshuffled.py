# SIAN of width 48 behind a pixel-unshuffle, on photographs with light to heavy rain; not in a paper
_base_ = './sian_photographs.py'
model = dict(network=dict(_delete_=True, type='PixelUnshuffled', network=dict(type='SIAN', channels=48, num_stages=3)))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=10500)]
train_cfg = dict(max_iters=10700)
