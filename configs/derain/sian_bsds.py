# Trained on light and heavy rain drawn over rain-free photographs; not in a paper
_base_ = ['../_base_/models/sian.py', '../_base_/datasets/bsds.py', '../_base_/schedules/synthetic.py']
