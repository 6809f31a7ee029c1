# JDNet, Tables 1 to 3 (there called Rain100H): PSNR-RGB 30.02, SSIM-RGB(same) 0.92
_base_ = [
    '../_base_/models/jdnet.py',
    '../_base_/datasets/rain200h.py',
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
