# A small ATSS on CamVid images of the original size, 480x360. It trains on two cores, without pretrained weights.
_base_ = ['./_base_/atss_r18.py', './_base_/camvid_detection.py']
