# MAFNet, Table 4, 96 kernels, Rain200H: PSNR-Y 29.01
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(channels=96))
