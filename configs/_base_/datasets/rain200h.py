_base_ = './paired.py'
source = dict(
    name='Rain200H, 1,800 training and 200 test pairs',
    published_at='https://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html (Yang et al., CVPR 2017)',
    prepare='python tools/prepare_dataset.py rain200h SRC',
    layout="""
data/rain200h/
    train/rain/norain-1x2.png   train/norain/norain-1.png   (1,800 pairs)
    test/rain/norain-1x2.png    test/norain/norain-1.png    (200 pairs)
""",
)
pairing = dict(type='template', img='norain-{id}x2', gt='norain-{id}')
train_dataloader = dict(dataset=dict(data_root='data/rain200h/train', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/rain200h/test', pairing=pairing, source=source))
val_dataloader = test_dataloader
