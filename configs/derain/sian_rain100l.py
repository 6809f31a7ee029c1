# SIAN, Tables III and IV, Rain100L: PSNR-Y 38.80, SSIM-Y 0.984
_base_ = [
    '../_base_/models/sian.py',
    '../_base_/datasets/rain100l.py',
    '../_base_/schedules/sian.py',
    '../_base_/default_runtime.py',
]
# 120x120 patches on a grid of stride 40, and the mirror image of each
train_dataloader = dict(
    batch_size=18,
    dataset=dict(
        patches=dict(size=120, stride=40, hflip=True),
        pipeline=[
            dict(type='LoadPairedImages'),
            dict(type='CropPatch'),
            dict(type='PackDerainInputs'),
        ],
    ),
)
