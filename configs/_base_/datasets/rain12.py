# Rain12, 12 test pairs
data_root = 'data/rain12'
source = dict(
    name='Rain12, 12 test pairs',
    published_at='https://yu-li.github.io/paper/li_cvpr16_rain.zip (Li et al., CVPR 2016)',
    layout="""
data/rain12/
    rain/rain-001.png   norain/norain-001.png   (12 pairs; if the files are named otherwise, set `pairing`)
""",
)
pairing = dict(type='prefix', img='rain-', gt='norain-')
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PairedImageDataset',
        data_root=data_root,
        data_prefix=dict(img='rain', gt='norain'),
        pairing=pairing,
        source=source,
        test_mode=True,
        pipeline=[dict(type='LoadPairedImages'), dict(type='PackDerainInputs')],
    ),
)
test_evaluator = dict(type='ImageQuality', protocols=['PSNR-Y', 'SSIM-Y(valid)'], with_input=True)
