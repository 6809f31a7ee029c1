# Sources of the layout: https://github.com/swz30/MPRNet/blob/main/Deraining/dataset_RGB.py and
# https://github.com/open-mmlab/mmagic/tree/main/tools/dataset_converters/deraining. Source of the 13,711 pairs:
# https://github.com/dronefreak/clearview/blob/main/configs/mix/rain_mixed_synthetic_real.yaml. 4,300 is the sum of the
# numbers in the names of the test sets.
_base_ = './paired.py'
source = dict(
    name='Rain13K, 13,711 training pairs and five test sets with 4,300 pairs in all',
    published_at='https://github.com/swz30/MPRNet (Zamir et al., CVPR 2021)',
    prepare='python tools/prepare_dataset.py rain13k SRC',
    layout="""
data/rain13k/
    train/rain/1.png           train/norain/1.png           (13,711 pairs)
    test/rain/Rain100H/1.png   test/norain/Rain100H/1.png   (also Rain100L, Test100, Test1200 and Test2800)
""",
)
# Papers report the scores of each test set separately. To test on another test set, change both folders.
test_folders = dict(img='rain/Rain100H', gt='norain/Rain100H')
train_dataloader = dict(dataset=dict(data_root='data/rain13k/train', pairing='same_name', source=source))
test_dataloader = dict(
    dataset=dict(data_root='data/rain13k/test', data_prefix=test_folders, pairing='same_name', source=source)
)
val_dataloader = test_dataloader
