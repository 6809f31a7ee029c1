_base_ = './paired.py'
source = dict(
    name='SPA-Data, 638,492 training patches and 1,000 test pairs',
    published_at='https://stevewongv.github.io/derain-project.html (Wang et al., CVPR 2019)',
    prepare='python tools/prepare_dataset.py spa SRC',
    layout="""
data/spa/
    train/rain/000/000-1_0_0.png   train/norain/000/000_0_0.png   (several frames of a scene have one ground truth)
    test/rain/1.png                test/norain/1gt.png            (1,000 pairs)
""",
)
pairing = dict(type='template', img='{id}', gt='{id}gt')
train_pairing = dict(type='template', img='{scene:d}-{frame:d}_{x:d}_{y:d}', gt='{scene:d}_{x:d}_{y:d}')
train_dataloader = dict(dataset=dict(data_root='data/spa/train', pairing=train_pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/spa/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
