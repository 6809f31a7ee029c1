_base_ = './paired.py'
source = dict(
    name='DID-MDN (Rain1200), 12,000 training and 1,200 test pairs',
    published_at='https://github.com/hezhangsprinter/DID-MDN (Zhang and Patel, CVPR 2018)',
    prepare='python tools/prepare_dataset.py did SRC',
    layout="""
data/did/
    train/rain/heavy/1.jpg ..   (3 folders of rain densities with 4,000 files each; left half rainy, right half clean)
    test/rain/1.jpg             (1,200 files)
""",
)
pairing = dict(type='side_by_side', clean='right')
train_dataloader = dict(dataset=dict(data_root='data/did/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/did/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
