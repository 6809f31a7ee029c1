# Rain1400 (DDN), 12,600 training and 1,400 test pairs
data_root = 'data/rain1400'
source = dict(
    name='Rain1400 (DDN), 12,600 training and 1,400 test pairs',
    published_at='https://xueyangfu.github.io/projects/cvpr2017.html (Fu et al., CVPR 2017)',
    layout="""
data/rain1400/
    train/rain/1_1.jpg .. 1_14.jpg      train/norain/1.jpg     (900 scenes, 14 rainy versions each)
    test/rain/901_1.jpg .. 901_14.jpg   test/norain/901.jpg    (100 scenes)
""",
)
pairing = dict(type='template', img='{id}_{version}', gt='{id}')
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
