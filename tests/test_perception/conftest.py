import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, smooth_image
from small_segmentor import write_labels, write_segmentor

from mmderain.apis import init_model
from mmderain.io import save_weights


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
        mmcv.imwrite(img, f'data/camvid/images/test/{number}.jpg')
        write_labels(img, f'{number}')
    return write_segmentor()
