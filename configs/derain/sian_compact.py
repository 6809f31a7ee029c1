# A compact SIAN (width 24, three stages) for light to heavy rain streaks in any direction; not in a paper. A training
# takes three hours on two cores with --amp. Weights of this network are bundled. Their model card is
# mmderain/weights/README.md. The bundled weights were trained for the number of steps of this config, but in five
# parts. The last part was run with train_dataloader.dataset.data_root=data/photographs, a folder with more photographs
# than demo/sample. The model card lists these photographs. The bundled weights began with torch's initial weights; this
# config begins with those of SIAN's authors (docs/en/networks.md, "Initial weights of SIAN").
_base_ = ['../_base_/models/sian.py', '../_base_/datasets/sample_varied.py', '../_base_/schedules/sample.py']
model = dict(
    network=dict(
        channels=24,
        num_stages=3,
        init_cfg=dict(type='Normal', layer='Conv2d', std=0.02, bias=0),
    ),
    loss=[dict(type='SSIMLoss'), dict(type='L1Loss', loss_weight=2)],
)
optim_wrapper = dict(clip_grad=dict(max_norm=1))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=200, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=200, T_max=12800, eta_min=1e-6, by_epoch=False),
]
train_cfg = dict(max_iters=13000, val_interval=13000)
