_base_ = './paired.py'
source = dict(
    name='Rain1400 (DDN), 12,600 training and 1,400 test pairs',
    published_at='https://xueyangfu.github.io/projects/cvpr2017.html (Fu et al., CVPR 2017)',
    prepare='python tools/prepare_dataset.py rain1400 SRC',
    layout="""
data/rain1400/
    train/rain/1_1.jpg .. 1_14.jpg      train/norain/1.jpg     (900 scenes, 14 rainy versions each)
    test/rain/901_1.jpg .. 901_14.jpg   test/norain/901.jpg    (100 scenes)
""",
)
pairing = dict(type='template', img='{id}_{version}', gt='{id}')
train_dataloader = dict(dataset=dict(data_root='data/rain1400/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/rain1400/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
