# The paper's loss: -SSIM of the result.
model = dict(
    type='Derainer',
    network=dict(type='JDNet', channels=32, num_units=32),
    loss=dict(type='SSIMLoss'),
)
