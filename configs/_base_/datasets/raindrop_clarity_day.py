# Source of the layout: https://github.com/jinyeying/RaindropClarity/blob/main/datasets/raindrop.py.
# Source of the numbers: comments in https://github.com/jinyeying/RaindropClarity/blob/main/analyse/cal_rf_bf.py. The
# comments exchange the training sets of day and night, as the sums 5,442 and 9,744 in the README show.
_base_ = './paired.py'
source = dict(
    name='Raindrop Clarity at day, 4,713 training and 729 test pairs',
    published_at='https://github.com/jinyeying/RaindropClarity (Jin et al., ECCV 2024)',
    prepare='python tools/prepare_dataset.py raindrop_clarity_day SRC',
    layout="""
data/raindrop_clarity_day/
    train/rain/00001/00001.png   train/norain/00001/00001.png   (a folder for each scene; 4,713 pairs)
    test/rain/00007/00001.png    test/norain/00007/00001.png    (729 pairs)
""",
)
pairing = 'same_name'
train_dataloader = dict(dataset=dict(data_root='data/raindrop_clarity_day/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/raindrop_clarity_day/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
