"""A network must declare its requirements, and the declared values are checked."""

import pytest
import torch
from conftest import ROOT

from mmderain.engine.profiling import forward_pass, tensor_memory
from mmderain.models import SIAN, Derainer, JDNet, MAFNet, NAFNet, NASNet, NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class WithoutSpec(torch.nn.Module):
    """Network without a spec."""


@pytest.mark.parametrize(
    'entries, message',
    [
        (dict(channel_order='grb'), "channel_order must be 'rgb' or 'bgr', found 'grb'"),
        (dict(min_size=0), 'min_size must be an integer of at least 1, found 0'),
        (dict(size_multiple=-8), 'size_multiple must be an integer of at least 1, found -8'),
        (dict(min_size=4.5), 'min_size must be an integer of at least 1, found 4.5'),
        (dict(min_size='4'), "min_size must be an integer of at least 1, found '4'"),
        (dict(halo=-1), 'halo must be an integer of at least 0, found -1'),
        (dict(bytes_per_pixel=0), 'bytes_per_pixel must be an integer of at least 1, found 0'),
        (dict(export_multiple=0), 'export_multiple must be an integer of at least 1, found 0'),
    ],
)
def test_values_of_a_spec_are_checked(entries, message):
    with pytest.raises(ValueError, match=message):
        NetworkSpec(**entries)


@pytest.mark.parametrize('side, padded', [(1, 8), (8, 8), (9, 12), (12, 12)])
def test_padded_side_is_the_next_valid_size(side, padded):
    assert NetworkSpec(min_size=7, size_multiple=4).padded_side(side) == padded


def test_a_network_without_a_spec_is_refused():
    with pytest.raises(ValueError, match='WithoutSpec.spec: found None; expected a NetworkSpec.*custom_network.md'):
        Derainer(dict(type='WithoutSpec'))


@pytest.mark.parametrize('kind', [SIAN, JDNet, NASNet, MAFNet, NAFNet], ids=lambda kind: kind.__name__)
def test_memory_of_a_pass_is_within_the_declared_limit(kind):
    """The tensors of a forward pass in float32 are counted, with the default settings of each network."""
    network, image = kind().eval(), torch.rand(1, 3, 64, 96).contiguous(memory_format=torch.channels_last)
    held = tensor_memory(forward_pass(network, 'fp32', 'cpu'), image) / (64 * 96)
    assert 0.3 * network.spec.bytes_per_pixel < held <= network.spec.bytes_per_pixel


@pytest.mark.parametrize('kind', [SIAN, JDNet, NASNet, MAFNet, NAFNet], ids=lambda kind: kind.__name__)
def test_docs_page_has_the_declared_requirements(kind):
    spec = kind().spec
    entries = [spec.channel_order, spec.min_size, spec.size_multiple, spec.halo, f'{spec.bytes_per_pixel:,}']
    row = f'| {kind.__name__} | {" | ".join(map(str, entries))} |'
    assert row in (ROOT / 'docs/en/networks.md').read_text(encoding='utf-8')
