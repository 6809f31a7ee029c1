# NASNet, SPA-REAL: PSNR-RGB 43.50, SSIM-RGB(uniform7) 0.9879
_base_ = [
    '../_base_/models/nasnet.py',
    '../_base_/datasets/spa.py',
    '../_base_/schedules/nasnet.py',
    '../_base_/default_runtime.py',
]
model = dict(mean=[0.37963131, 0.37317694, 0.34395947], std=[0.14067527, 0.13811357, 0.1289146])
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
