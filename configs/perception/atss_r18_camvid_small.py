# An ATSS that trains on two cores: timm's ResNet-18 of half width, from nothing, CamVid at its 480x360
_base_ = ['./_base_/atss_r18.py', './_base_/camvid_detection.py']
