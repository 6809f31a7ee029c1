# The derainer that comes along (mmderain/weights/README.md): SIAN of width 24 with three stages, for streaks from light
# to heavy at any slant, trained on free photographs alone: three hours on two cores with --amp. The weights that come
# along took as many steps, in five legs; the last of them saw more photographs than those of demo/sample, by
# train_dataloader.dataset.data_root=data/photographs (which, and how they are prepared: in the README named above).
_base_ = './sian_sample.py'
rain = ['light:1', *['light'] * 3, *['varied-light'] * 2, 'heavy:2', 'heavy', *['varied-heavy'] * 2]
model = dict(
    network=dict(channels=24),
    loss=[dict(type='SSIMLoss'), dict(type='L1Loss', loss_weight=2)],
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(
                type='RandomChoiceResize',
                scales=[(2000, short) for short in (256, 288, 320, 360, 400)],
                keep_ratio=True,
            ),
            dict(type='PairedRandomCrop', crop_size=96),
            dict(type='PairedRandomFlip'),
            dict(type='SynthesizeRain', preset=rain),
            dict(type='PackDerainInputs'),
        ]
    )
)
optim_wrapper = dict(clip_grad=dict(max_norm=1))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, end=200, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=200, T_max=12800, eta_min=1e-6, by_epoch=False),
]
train_cfg = dict(max_iters=13000, val_interval=13000)
