# MAFNet on rain-free photographs with light or heavy synthetic rain; not in a paper
_base_ = ['../_base_/models/mafnet.py', '../_base_/datasets/bsds.py', '../_base_/schedules/synthetic.py']
