_base_ = './paired.py'
source = dict(
    name='MPID rain drop, 861 training and 239 test pairs',
    published_at='https://github.com/panda-lab/Single-Image-Deraining (Li et al., CVPR 2019)',
    prepare='python tools/prepare_dataset.py mpid_drop SRC',
    layout="""
data/mpid_drop/
    train/rain/1_rain.png   train/norain/1_clean.png   (861 pairs)
    test/rain/1_rain.png    test/norain/1_clean.png    (239 pairs)
""",
)
pairing = dict(type='template', img='{id:d}_rain', gt='{id:d}_clean')
train_dataloader = dict(dataset=dict(data_root='data/mpid_drop/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/mpid_drop/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
