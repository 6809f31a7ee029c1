# A small SIAN (width 16, three stages) for the photographs in demo/sample. It trains in minutes on two cores.
_base_ = ['../_base_/models/sian.py', '../_base_/datasets/sample.py', '../_base_/schedules/sample.py']
# The L1 loss keeps brightness and color correct. With SSIM alone, the network learns brightness and color late.
model = dict(
    network=dict(channels=16, num_stages=3),
    loss=[dict(type='SSIMLoss'), dict(type='L1Loss')],
)
