_base_ = './paired.py'
source = dict(
    name='Rain100H, 1,800 training and 100 test pairs',
    published_at='https://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html (Yang et al., CVPR 2017)',
    prepare='python tools/prepare_dataset.py rain100h SRC',
    layout="""
data/rain100h/
    train/rain/rain-1.png    train/norain/norain-1.png    (1,800 pairs)
    test/rain/rain-001.png   test/norain/norain-001.png   (100 pairs)
""",
)
pairing = dict(type='prefix', img='rain-', gt='norain-')
train_dataloader = dict(dataset=dict(data_root='data/rain100h/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/rain100h/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
