# The training of nafnet_short.py with the loss L1 alone, to compare losses; not in a paper
_base_ = './nafnet_short.py'
model = dict(loss=dict(_delete_=True, type='L1Loss'))
