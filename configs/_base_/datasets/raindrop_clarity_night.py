_base_ = './paired.py'
source = dict(
    name='Raindrop Clarity at night, 8,655 training and 1,089 test pairs',
    published_at='https://github.com/jinyeying/RaindropClarity (Jin et al., ECCV 2024)',
    prepare='python tools/prepare_dataset.py raindrop_clarity_night SRC',
    layout="""
data/raindrop_clarity_night/
    train/rain/00001/00001.png   train/norain/00001/00001.png   (a folder for each scene; 8,655 pairs)
    test/rain/00007/00001.png    test/norain/00007/00001.png    (1,089 pairs)
""",
)
pairing = 'same_name'
train_dataloader = dict(dataset=dict(data_root='data/raindrop_clarity_night/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/raindrop_clarity_night/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
