# A small ATSS on CamVid at its original size, 480x360; it trains on two cores without pretrained weights
_base_ = ['./_base_/atss_r18.py', './_base_/camvid_detection.py']
