# A small NAFNet with 2.0 M parameters. The paper of NAFNet has no deraining model. Therefore the depth and the loss are
# our choice.
model = dict(
    type='Derainer',
    network=dict(type='NAFNet', width=16, encoder_blocks=(1, 1, 2, 4), middle_blocks=2, decoder_blocks=(1, 1, 1, 1)),
    loss=[dict(type='SSIMLoss'), dict(type='L1Loss', loss_weight=2)],
)
