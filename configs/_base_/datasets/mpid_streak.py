_base_ = './paired.py'
source = dict(
    name='MPID rain streak, 2,400 training and 200 test pairs',
    published_at='https://github.com/panda-lab/Single-Image-Deraining (Li et al., CVPR 2019)',
    prepare='python tools/prepare_dataset.py mpid_streak SRC',
    layout="""
data/mpid_streak/
    train/rain/1_rain.png   train/norain/1.png   (2,400 pairs)
    test/rain/1_rain.png    test/norain/1.png    (200 pairs)
""",
)
pairing = dict(type='template', img='{id:d}_{kind}', gt='{id:d}')
train_dataloader = dict(dataset=dict(data_root='data/mpid_streak/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/mpid_streak/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
