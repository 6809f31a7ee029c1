# The same training as in nafnet_short.py, but with the loss L1 alone, to compare the losses; not in a paper
_base_ = './nafnet_short.py'
model = dict(loss=dict(_delete_=True, type='L1Loss'))
