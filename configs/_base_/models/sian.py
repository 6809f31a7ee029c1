# The paper's loss: -SSIM, summed over the six stages. The authors' code draws the initial weights in this way.
model = dict(
    type='Derainer',
    network=dict(
        type='SIAN',
        channels=32,
        num_stages=6,
        init_cfg=dict(type='Normal', layer='Conv2d', std=0.02, bias=0),
    ),
    loss=dict(type='SSIMLoss'),
    supervise='all',
)
