# The paper's loss: L1 + (1 - SSIM). Mean and standard deviation of the input come with the data set.
model = dict(
    type='Derainer',
    network=dict(type='NASNet', channels=64, num_stages=3, num_blocks=18),
    loss=[dict(type='L1Loss'), dict(type='SSIMLoss')],
)
