# Rain100L, 200 training and 100 test pairs
data_root = 'data/rain100l'
source = dict(
    name='Rain100L, 200 training and 100 test pairs',
    published_at='https://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html (Yang et al., CVPR 2017)',
    layout="""
data/rain100l/
    train/rain/rain-1.png    train/norain/norain-1.png    (200 pairs)
    test/rain/rain-001.png   test/norain/norain-001.png   (100 pairs)
""",
)
pairing = dict(type='prefix', img='rain-', gt='norain-')
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DrawSampler'),
    dataset=dict(
        type='PairedImageDataset',
        data_root=f'{data_root}/train',
        data_prefix=dict(img='rain', gt='norain'),
        pairing=pairing,
        source=source,
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='PairedRandomCrop', crop_size=128),
            dict(type='PackDerainInputs'),
        ],
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PairedImageDataset',
        data_root=f'{data_root}/test',
        data_prefix=dict(img='rain', gt='norain'),
        pairing=pairing,
        source=source,
        test_mode=True,
        pipeline=[dict(type='LoadPairedImages'), dict(type='PackDerainInputs')],
    ),
)
test_evaluator = dict(type='ImageQuality', protocols=['PSNR-Y', 'SSIM-Y(valid)'], with_input=True)
# Watched while training; no checkpoint is chosen by it.
val_dataloader = test_dataloader
val_evaluator = test_evaluator
