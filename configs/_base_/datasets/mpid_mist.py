_base_ = './paired.py'
source = dict(
    name='MPID rain and mist, 700 training and 70 test pairs',
    published_at='https://github.com/panda-lab/Single-Image-Deraining (Li et al., CVPR 2019)',
    prepare='python tools/prepare_dataset.py mpid_mist SRC',
    layout="""
data/mpid_mist/
    train/rain/1.jpg   train/norain/1.jpg   (700 pairs)
    test/rain/1.jpg    test/norain/1.jpg    (70 pairs)
""",
)
pairing = 'same_name'
train_dataloader = dict(dataset=dict(data_root='data/mpid_mist/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/mpid_mist/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
