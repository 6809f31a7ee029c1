# The paper's loss: MAE (Eq. 7), as a mean over all values.
model = dict(
    type='Derainer',
    network=dict(type='MAFNet', channels=64, num_modules=8, num_heads=4),
    loss=dict(type='L1Loss'),
)
