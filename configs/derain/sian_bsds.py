# Trained on light and heavy rain drawn over rain-free photographs; no paper's row
_base_ = ['../_base_/models/sian.py', '../_base_/datasets/bsds.py', '../_base_/schedules/synthetic.py']
