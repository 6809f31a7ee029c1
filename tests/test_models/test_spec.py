"""What a network declares is checked when it is declared, and required."""

import pytest
import torch

from mmderain.models import Derainer, NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class WithoutSpec(torch.nn.Module):
    """A network that declares nothing."""


@pytest.mark.parametrize(
    'entries, said',
    [
        (dict(channel_order='grb'), "channel_order must be 'rgb' or 'bgr', found 'grb'"),
        (dict(min_size=0), 'min_size must be at least 1, found 0'),
        (dict(size_multiple=-8), 'size_multiple must be at least 1, found -8'),
        (dict(halo=-1), 'halo must be at least 0, found -1'),
        (dict(bytes_per_pixel=0), 'bytes_per_pixel must be at least 1, found 0'),
        (dict(export_multiple=0), 'export_multiple must be at least 1, found 0'),
    ],
)
def test_entries_are_checked(entries, said):
    with pytest.raises(ValueError, match=said):
        NetworkSpec(**entries)


@pytest.mark.parametrize('side, padded', [(1, 8), (8, 8), (9, 12), (12, 12)])
def test_padded_side(side, padded):
    assert NetworkSpec(min_size=7, size_multiple=4).padded_side(side) == padded


def test_a_network_without_a_spec_is_refused():
    with pytest.raises(ValueError, match='WithoutSpec.spec: found None; expected a NetworkSpec.*custom_network.md'):
        Derainer(dict(type='WithoutSpec'))
