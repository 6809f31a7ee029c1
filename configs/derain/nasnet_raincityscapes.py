# NASNet, RainCityscapes: PSNR-RGB 34.79, SSIM-RGB(uniform7) 0.9888
_base_ = [
    '../_base_/models/nasnet.py',
    '../_base_/datasets/raincityscapes.py',
    '../_base_/schedules/nasnet.py',
    '../_base_/default_runtime.py',
]
model = dict(mean=[0.39394617, 0.44335372, 0.40406548], std=[0.14550411, 0.15230632, 0.15129043])
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
