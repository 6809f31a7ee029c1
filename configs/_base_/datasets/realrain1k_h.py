# Source of the layout and the numbers: https://github.com/dronefreak/clearview/blob/main/configs/mix/trainer.md
_base_ = './paired.py'
source = dict(
    name='RealRain-1k-H (real rain, high density), 784 training, 112 validation and 224 test pairs',
    published_at='https://github.com/hiker-lw/RealRain-1k (Li et al., 2022)',
    prepare='python tools/prepare_dataset.py realrain1k_h SRC',
    layout="""
data/realrain1k_h/
    train/rain/1.png   train/norain/1.png   (784 pairs)
    val/rain/2.png     val/norain/2.png     (112 pairs)
    test/rain/3.png    test/norain/3.png    (224 pairs)
""",
)
pairing = 'same_name'
train_dataloader = dict(dataset=dict(data_root='data/realrain1k_h/train', pairing=pairing, source=source))
val_dataloader = dict(dataset=dict(data_root='data/realrain1k_h/val', pairing=pairing, source=source))
test_dataloader = dict(dataset=dict(data_root='data/realrain1k_h/test', pairing=pairing, source=source))
