# The same short run of NAFNet with the loss L1 alone; not in a paper
_base_ = './nafnet_short.py'
model = dict(loss=dict(_delete_=True, type='L1Loss'))
