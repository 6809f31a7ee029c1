# MAFNet, Table 1, plain downsampling, Rain200H: PSNR-Y 28.73, SSIM-Y 0.874
_base_ = './mafnet_rain200h.py'
model = dict(network=dict(pyramid='bilinear'))
