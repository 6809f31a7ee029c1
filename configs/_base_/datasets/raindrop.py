# Sources of the layout: https://github.com/IGITUGraz/WeatherDiffusion/blob/main/datasets/raindrop.py (861 pairs),
# https://github.com/Hyukju/Raindrop-Removal and
# https://github.com/holy-tree/controlnet2/blob/main/organize_testset.py (folders). No number of test pairs is known.
_base_ = './paired.py'
source = dict(
    name='RainDrop, 861 training pairs and the test sets test_a and test_b',
    published_at='https://github.com/rui1996/DeRaindrop (Qian et al., CVPR 2018)',
    prepare='python tools/prepare_dataset.py raindrop SRC',
    layout="""
data/raindrop/
    train/rain/0_rain.png         train/norain/0_clean.png         (861 pairs)
    test/rain/test_a/0_rain.png   test/norain/test_a/0_clean.png   (also test_b)
""",
)
pairing = dict(type='template', img='{id:d}_rain', gt='{id:d}_clean')
# To test on test_b, change both folders.
test_folders = dict(img='rain/test_a', gt='norain/test_a')
train_dataloader = dict(dataset=dict(data_root='data/raindrop/train', pairing=pairing, source=source))
test_dataloader = dict(
    dataset=dict(data_root='data/raindrop/test', data_prefix=test_folders, pairing=pairing, source=source)
)
val_dataloader = test_dataloader
