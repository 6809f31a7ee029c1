"""A small segmentor with fixed random weights, and labels for its test set, for tests of joint tests."""

import mmcv
import numpy as np
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmderain.perception.joint_test import TaskModel


def write_labels(img: np.ndarray, name: str) -> None:
    """Write labels that depend on the brightness of an image to the test set in the working directory."""
    labels = (img[..., 1] // 64).astype(np.uint8)
    labels[:5] = 11
    mmcv.imwrite(labels, f'data/camvid/annotations/test/{name}.png')


def write_segmentor() -> TaskModel:
    """Write the config and the weights of a small PSPNet to the working directory."""
    text = (
        f"_base_ = '{ROOT}/configs/perception/pspnet_r18_camvid_small.py'\n"
        'model = dict(backbone=dict(base_channels=16), decode_head=dict(in_channels=128, channels=16), '
        'auxiliary_head=dict(in_channels=64, channels=16))\n'
    )
    with open('seg.py', 'w') as file:
        file.write(text)
    cfg = Config.fromfile('seg.py')
    init_default_scope('mmseg')
    torch.manual_seed(2)
    model = MODELS.build(cfg.model)
    model.decode_head.conv_seg.weight.data.mul_(60)
    torch.save(dict(state_dict=model.state_dict(), meta={}), 'seg.pth')
    return TaskModel('seg', 'seg.py', 'seg.pth')
