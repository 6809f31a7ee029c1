# The paper's loss: -SSIM, summed over the six stages.
model = dict(
    type='Derainer',
    network=dict(type='SIAN', channels=32, num_stages=6),
    loss=dict(type='SSIMLoss'),
    supervise='all',
)
