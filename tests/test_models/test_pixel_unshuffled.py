"""A network in ``PixelUnshuffled`` gets blocks of pixels as channels, also in tiles."""

import pytest
import torch
import torch.nn.functional as F
from conftest import SMALL_NETWORKS

from mmderain.models import Derainer, PixelUnshuffled
from mmderain.registry import MODELS

each = pytest.mark.parametrize('network', SMALL_NETWORKS, ids=lambda network: network['type'])


@each
@pytest.mark.parametrize('factor', [2, 4])
def test_result_equals_that_of_the_network_on_unshuffled_images(network, factor):
    torch.manual_seed(0)
    folded = PixelUnshuffled(network, factor).eval()
    plain = MODELS.build(dict(network, image_channels=3 * factor**2)).eval()
    plain.load_state_dict(folded.network.state_dict())
    x = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        expected = [F.pixel_shuffle(result, factor) for result in plain(F.pixel_unshuffle(x, factor))]
        results = folded(x)
    assert len(results) == len(expected)
    assert all(torch.equal(a, b) and a.shape == x.shape for a, b in zip(results, expected))


@each
def test_restore_of_an_unshuffled_network_accepts_any_size(network):
    model = Derainer(dict(type='PixelUnshuffled', network=network)).eval()
    for size in ((1, 1), (33, 50)):
        batch = torch.rand(1, 3, *size)
        with torch.inference_mode():
            assert model.restore(batch).shape == batch.shape


def test_size_requirements_are_multiplied_by_the_factor():
    spec = PixelUnshuffled(dict(type='MAFNet', channels=8, num_modules=1), factor=4).spec
    assert (spec.min_size, spec.size_multiple, spec.channel_order) == (32, 32, 'rgb')
    assert PixelUnshuffled(dict(type='JDNet', channels=16, num_units=1)).spec.channel_order == 'bgr'


@pytest.mark.parametrize('size', [(352, 176), (354, 180)])
def test_unshuffled_sian_is_exact_in_tiles(size):
    """The result of SIAN depends on the position of a tile, which is given in pixels of the unshuffled image."""
    torch.manual_seed(0)
    model = Derainer(dict(type='PixelUnshuffled', network=dict(type='SIAN', channels=8, num_stages=2))).eval()
    image = torch.rand(1, 3, *size)
    with torch.inference_mode():
        whole, tiled = model.restore(image, tile=0), model.restore(image, tile=64)
    assert not torch.equal(whole, tiled)  # tiles were used
    assert (whole - tiled).abs().max() < 2e-5


@pytest.mark.parametrize('factor', [0, 1, 3, 32])
def test_other_factors_are_refused(factor):
    with pytest.raises(ValueError, match='factor must be 2, 4, 8 or 16'):
        PixelUnshuffled(SMALL_NETWORKS[0], factor)
