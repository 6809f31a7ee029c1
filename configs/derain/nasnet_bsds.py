# NASNet on rain-free photographs with light or heavy synthetic rain; not in a paper
_base_ = ['../_base_/models/nasnet.py', '../_base_/datasets/bsds.py', '../_base_/schedules/synthetic.py']
model = dict(mean=[0.45, 0.45, 0.45], std=[0.27, 0.27, 0.27])
