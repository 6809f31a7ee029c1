# NASNet, Rain100H: PSNR-RGB 30.38, SSIM-RGB(uniform7) 0.9252 (Table 8: 30.3777 with three stages)
_base_ = [
    '../_base_/models/nasnet.py',
    '../_base_/datasets/rain100h.py',
    '../_base_/schedules/nasnet.py',
    '../_base_/default_runtime.py',
]
model = dict(mean=[0.28889797, 0.29333464, 0.26457639], std=[0.35875455, 0.36073939, 0.33314634])
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
