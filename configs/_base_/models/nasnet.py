# The paper's loss: L1 + (1 - SSIM). SSIMLoss is -SSIM, so the logged loss is lower by 1. Each NASNet config adds the
# mean and the standard deviation of its data set.
model = dict(
    type='Derainer',
    network=dict(type='NASNet', channels=64, num_stages=3, num_blocks=18),
    loss=[dict(type='L1Loss'), dict(type='SSIMLoss')],
)
