_base_ = './paired.py'
# This data set has only a test set.
train_dataloader = None
val_dataloader = None
val_evaluator = None
test_dataloader = dict(
    dataset=dict(
        data_root='data/rain12',
        pairing=dict(type='prefix', img='rain-', gt='norain-'),
        source=dict(
            name='Rain12, 12 test pairs',
            published_at='https://yu-li.github.io/paper/li_cvpr16_rain.zip (Li et al., CVPR 2016)',
            prepare='python tools/prepare_dataset.py rain12 SRC',
            layout="""
data/rain12/
    rain/rain-001.png   norain/norain-001.png   (12 pairs; if your files have other names, set `pairing`)
""",
        ),
    )
)
