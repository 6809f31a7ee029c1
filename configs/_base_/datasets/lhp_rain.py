# Sources of the layout: https://github.com/yunguo224/LHP-Rain/blob/main/SCD-Former/dataset/dataset_derain.py and
# https://github.com/qiaowm/NeRD-Rain (splits). It is not certain that the two files of a pair have the same name.
_base_ = './paired.py'
source = dict(
    name='LHP-Rain, simple version (real rain)',
    published_at='https://yunguo224.github.io/LHP-Rain.github.io/ (Guo et al., ICCV 2023)',
    prepare='python tools/prepare_dataset.py lhp_rain SRC',
    layout="""
data/lhp_rain/
    train/rain/NAME.png   train/norain/NAME.png   (the same layout in val/ and test/)
""",
)
pairing = 'same_name'
train_dataloader = dict(dataset=dict(data_root='data/lhp_rain/train', pairing=pairing, source=source))
val_dataloader = dict(dataset=dict(data_root='data/lhp_rain/val', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/lhp_rain/test', pairing=pairing, source=source))
