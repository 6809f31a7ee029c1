import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, smooth_image
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmderain.apis import init_model
from mmderain.io import save_weights
from mmderain.perception.joint_test import TaskModel


@pytest.fixture
def sian(tmp_path):
    """Write config and weights of a small SIAN; return them as an argument `derainer`."""
    config = tmp_path / 'sian.py'
    config.write_text(
        f"_base_ = '{ROOT}/configs/derain/sian_rain100l.py'\n"
        'model = dict(network=dict(channels=4, num_stages=1, init_cfg=None))\n'
    )
    torch.manual_seed(1)
    save_weights(tmp_path / 'sian.pth', init_model(config).state_dict(), {})
    return dict(config=str(config), checkpoint=str(tmp_path / 'sian.pth'))


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for number, size in enumerate([(96, 120), (75, 101)]):
        img = np.clip(smooth_image(*size, number) + rng.integers(-40, 40, (*size, 3)), 0, 255).astype(np.uint8)
        mmcv.imwrite(img, str(tmp_path / f'{number}.png'))
        paths.append(str(tmp_path / f'{number}.png'))
    return paths


@pytest.fixture
def camvid(tmp_path, monkeypatch):
    """Write six images with labels that depend on the brightness, and a small PSPNet with fixed random weights."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        img = smooth_image(72, 96, number)
        labels = (img[..., 1] // 64).astype(np.uint8)
        labels[:5] = 11
        mmcv.imwrite(img, f'data/camvid/images/test/{number}.jpg')
        mmcv.imwrite(labels, f'data/camvid/annotations/test/{number}.png')
    text = (
        f"_base_ = '{ROOT}/configs/perception/pspnet_r18_camvid_small.py'\n"
        'model = dict(backbone=dict(base_channels=16), decode_head=dict(in_channels=128, channels=16), '
        'auxiliary_head=dict(in_channels=64, channels=16))\n'
    )
    (tmp_path / 'seg.py').write_text(text)
    cfg = Config.fromfile('seg.py')
    init_default_scope('mmseg')
    torch.manual_seed(2)
    model = MODELS.build(cfg.model)
    model.decode_head.conv_seg.weight.data.mul_(60)
    torch.save(dict(state_dict=model.state_dict(), meta={}), 'seg.pth')
    return TaskModel('seg', 'seg.py', 'seg.pth')
