# JDNet on the 1,800/100 version of Rain100H, which the paper does not use
_base_ = [
    '../_base_/models/jdnet.py',
    '../_base_/datasets/rain100h.py',
    '../_base_/schedules/jdnet.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    batch_size=12,
    dataset=dict(
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='PairedRandomCrop', crop_size=64),
            dict(type='PackDerainInputs'),
        ],
    ),
)
test_evaluator = dict(protocols=['PSNR-RGB', 'SSIM-RGB(same)'])
val_evaluator = test_evaluator
