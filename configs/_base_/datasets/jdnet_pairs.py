_base_ = './paired.py'
source = dict(
    name="pairs in JDNet's format: one file with a clean left half and a rainy right half",
    published_at='https://arxiv.org/abs/2008.02763 (the authors of JDNet made the files from Rain200L or Rain200H)',
    prepare='python tools/prepare_dataset.py jdnet_pairs SRC',
    layout="""
data/jdnet_pairs/
    train/rain/1.png   test/rain/1.png
""",
)
pairing = dict(type='side_by_side', clean='left')
train_dataloader = dict(dataset=dict(data_root='data/jdnet_pairs/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/jdnet_pairs/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
