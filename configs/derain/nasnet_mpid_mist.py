# NASNet, MPID rain and mist: the constants of its input are published, no figure of its tables is
_base_ = [
    '../_base_/models/nasnet.py',
    '../_base_/datasets/mpid_mist.py',
    '../_base_/schedules/nasnet.py',
    '../_base_/default_runtime.py',
]
model = dict(mean=[0.39551503, 0.3972878, 0.3676113], std=[0.14311445, 0.13827545, 0.1329295])
train_dataloader = dict(
    batch_size=2,
    sampler=dict(infinite=True),
    dataset=dict(
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='PairedRandomCrop', crop_size=240),
            dict(type='PairedRandomFlip', prob=0.5),
            dict(type='PairedRandomRotate90'),
            dict(type='PackDerainInputs'),
        ],
    ),
)
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(uniform7)'])
val_evaluator = test_evaluator
default_hooks = dict(checkpoint=dict(interval=10000, by_epoch=False))
log_processor = dict(by_epoch=False)
