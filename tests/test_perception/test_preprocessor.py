import numpy as np
import pytest
import torch
from conftest import smooth_image
from mmengine.registry import MODELS, init_default_scope

from mmderain.apis import init_model
from mmderain.perception import DerainBeforeTask

from .cases import DARKER, Darker

pytest.importorskip('mmdet', reason='mmdet is not installed')


def test_raw_images_are_derained_then_normalized_and_padded():
    init_default_scope('mmdet')
    wrapped = dict(type='DetDataPreprocessor', mean=[100.0] * 3, std=[50.0] * 3, bgr_to_rgb=True, pad_size_divisor=32)
    preprocessor = MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer=DARKER, wrapped=wrapped))
    a, b, c = (
        torch.from_numpy(smooth_image(*size).transpose(2, 0, 1).copy()) for size in ((40, 50), (30, 60), (40, 50))
    )
    Darker.calls = 0
    out = preprocessor(dict(inputs=[a, b, c], data_samples=None))['inputs']
    assert Darker.calls == 2  # the two images of equal size form one batch
    assert out.shape == (3, 3, 64, 64)
    for img, result in zip((a, b, c), out, strict=True):
        height, width = img.shape[1:]
        # The image is derained in raw levels, converted to RGB, normalized, and then padded with 0.
        expected = (img.float().sub(10).clamp(0, 255).flip(0) - 100) / 50
        assert torch.allclose(result[:, :height, :width], expected, atol=1e-6)
        assert (result[:, height:] == 0).all() and (result[:, :, width:] == 0).all()
    assert preprocessor.pad_size_divisor == 32  # an attribute of the wrapped preprocessor


@pytest.mark.parametrize('threshold, changed', [(None, True), (9.0, True), (11.0, False)])
def test_min_change_keeps_images_without_rain(threshold, changed):
    img = np.full((20, 30, 3), 100, np.uint8)
    init_default_scope('mmdet')
    preprocessor = DerainBeforeTask(DARKER, dict(type='mmdet.DetDataPreprocessor'), min_change=threshold)
    batch = [torch.from_numpy(img.transpose(2, 0, 1).copy())]
    assert (preprocessor(dict(inputs=batch, data_samples=None))['inputs'] == (90 if changed else 100)).all()


def test_a_frozen_derainer_stays_out_of_training_and_checkpoints(sian):
    init_default_scope('mmdet')
    wrapped = dict(type='DetDataPreprocessor')
    frozen = MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer=sian, wrapped=wrapped))
    frozen.train()
    assert not frozen.model().training and not list(frozen.parameters()) and 'derainer' not in str(frozen.state_dict())
    joint = MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer=sian, wrapped=wrapped, freeze=False))
    joint.train()
    assert joint.model().training and all(name.startswith('derainer.') for name, _ in joint.named_parameters())
    count = sum(p.numel() for p in init_model(**sian).parameters())
    assert sum(p.numel() for p in joint.parameters() if p.requires_grad) == count
    # Gradients of later modules reach the derainer.
    batch = torch.from_numpy(smooth_image(24, 32).transpose(2, 0, 1).copy())
    joint(dict(inputs=[batch], data_samples=None), training=True)['inputs'].sum().backward()
    assert all(p.grad is not None for p in joint.model().network.parameters())
