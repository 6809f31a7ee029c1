# MAFNet, Table 1, no cross-scale interaction, Rain200H: PSNR-Y 29.12, SSIM-Y 0.884. Every scale attends only to itself.
# For the other reading of the paper, without attention, set interaction='no_attention'.
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(interaction='none'))
