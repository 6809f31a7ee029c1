"""MAFNet has keywords for unclear sentences of its paper. Each value of a keyword selects the documented reading."""

import re

import golden
import pytest
import torch
from conftest import ROOT
from reference import plain_network

from mmderain.engine.profiling import forward_pass, tensor_memory
from mmderain.models import MAFNet
from mmderain.models.networks.mafnet import ConvInteraction

#: The readings of version 0.1.0.
OLD = dict(pyramid_kernel=3, pyramid_padding='zeros', spatial_order='coarse_to_fine')


def parameters(**settings) -> int:
    return sum(p.numel() for p in MAFNet(**settings).parameters())


#: Rows and columns of the table of parameters in docs/en/networks.md, with their settings.
ROWS = {
    'the model': {},
    '32 kernels': dict(channels=32),
    '96 kernels': dict(channels=96),
    **{f'{number} modules': dict(num_modules=number) for number in (6, 7, 9, 10)},
    'spatial attention only': dict(interaction='spatial'),
    'channel attention only': dict(interaction='channel'),
    'interaction by convolution': dict(interaction='conv'),
    'no attention': dict(interaction='no_attention'),
    'plain downsampling': dict(pyramid='bilinear'),
}
COLUMNS = [{}, dict(upsampling='shuffle'), OLD | dict(conv_kernel=3)]


def test_parameter_counts_equal_those_of_the_docs_page():
    section = (ROOT / 'docs/en/networks.md').read_text().split("## Readings of MAFNet's paper")[1].split('\n## ')[0]
    found = dict(re.findall(r'^\| ([\w ]+) \| ([\d,]+ \| [\d,]+ \| [\d,]+) \|$', section, re.M))
    with torch.device('meta'):
        counts = {
            row: [f'{parameters(**settings, **column):,}' for column in COLUMNS] for row, settings in ROWS.items()
        }
    assert {row: numbers.split(' | ') for row, numbers in found.items()} == counts
    assert counts['the model'] == ['5,298,373', '1,779,397', '5,298,085']


@pytest.mark.parametrize('dtype, tolerance', [(torch.float32, 1e-5), (torch.float64, 1e-7)])
def test_golden_output_of_the_default_readings(dtype, tolerance):
    """Version 0.2.0 wrote the stored output, with the plain formulation in double precision."""
    network = MAFNet(channels=16, num_modules=2).eval()
    keys = [(key, list(value.shape)) for key, value in network.state_dict().items()]
    network.load_state_dict(golden.fill(keys, seed=1))
    expected, image = golden.expected('mafnet_golden_seed1'), golden.image(1, 48, 64, seed=1)
    with torch.inference_mode():
        for each in (network, plain_network(network)):
            assert (each.to(dtype)(image.to(dtype))[0] - expected).abs().max() < tolerance * expected.abs().max()


@pytest.mark.parametrize('order, reads_the_result', [('parallel', False), ('coarse_to_fine', True)])
def test_finer_scale_reads_the_result_of_the_coarser_one_only_if_told(order, reads_the_result):
    """A change of the coarsest scale reaches the finest scale only through the result of the middle scale."""
    network = MAFNet(8, 1, 2, spatial_order=order)
    for spatial in (network.spatial_in, network.body[0].spatial):
        features = [torch.rand(1, 8, side, side) for side in (16, 8, 4)]
        other = [*features[:2], features[2] + 1]
        with torch.no_grad():
            changes = [not torch.equal(a, b) for a, b in zip(spatial(features), spatial(other), strict=True)]
        assert changes == [reads_the_result, True, True]


@pytest.mark.parametrize('order', ['parallel', 'coarse_to_fine'])
def test_channel_attention_is_parallel_in_both_orders(order):
    channel = MAFNet(8, 1, 2, spatial_order=order).body[0].channel
    features = [torch.rand(1, 8, side, side) for side in (16, 8, 4)]
    with torch.no_grad():
        changes = channel(features)[0] - channel([*features[:2], features[2] + 1])[0]
    assert not changes.any()


def test_upsampling_by_shuffle_alone_has_a_quarter_of_the_channels():
    up = MAFNet(8, 1, 2, upsampling='shuffle').body[0].up[0]
    (conv,) = (layer for layer in up if isinstance(layer, torch.nn.Conv2d))
    x = torch.randn(1, 8, 3, 4)
    result = up(x)
    assert conv.weight.shape == (8, 2, 1, 1) and result.shape == (1, 8, 6, 8)
    for i in range(2):
        for j in range(2):  # place (i, j) of the 2x2 blocks is made from the channels 2 i + j and 4 + 2 i + j
            expected = torch.einsum('oc,nchw->nohw', conv.weight[..., 0, 0], x[:, 2 * i + j :: 4])
            expected = expected + conv.bias[:, None, None]
            assert torch.allclose(result[..., i::2, j::2], torch.where(expected > 0, expected, 0.2 * expected))


def test_upsampling_after_a_convolution():
    up = MAFNet(8, 1, 2).body[0].up[0]
    (conv,) = (layer for layer in up if isinstance(layer, torch.nn.Conv2d))
    x = torch.randn(1, 8, 3, 4)
    result, convolved = up(x), conv(x)
    assert conv.weight.shape == (32, 8, 3, 3) and result.shape == (1, 8, 6, 8)
    for i in range(2):
        for j in range(2):
            expected = convolved[:, 2 * i + j :: 4]
            assert torch.allclose(result[..., i::2, j::2], torch.where(expected > 0, expected, 0.2 * expected))


@pytest.mark.parametrize('size', [1, 3])
def test_interaction_by_convolution_has_the_given_kernel(size):
    layer = ConvInteraction(4, size)
    large, small = torch.rand(1, 4, 8, 8), torch.rand(1, 4, 4, 4)
    other = large.clone()
    other[..., 4, 4] += 1
    with torch.no_grad():
        changed = (layer(other, small) != layer(large, small)).any(1)[0]
    assert layer.conv.weight.shape == (4, 8, size, size)
    assert changed.sum() == size**2 and changed[4, 4]


def test_model_3_has_a_reading_with_and_one_without_attention():
    """In both readings, no scale has an effect on another scale before the fusion."""
    features = [torch.rand(1, 8, side, side) for side in (16, 8, 4)]
    for interaction, has_attention in (('none', True), ('no_attention', False)):
        network = MAFNet(8, 1, 2, interaction=interaction)
        names = {type(module).__name__ for module in network.modules()}
        assert ('SpatialAttention' in names, 'ChannelAttention' in names) == (has_attention, has_attention)
        for part in (network.spatial_in, network.body[0]):
            with torch.no_grad():
                results = part(features), part([*features[:2], features[2] + 1]), part([features[0] + 1, *features[1:]])
            changes = [[not torch.equal(a, b) for a, b in zip(results[0], other, strict=True)] for other in results[1:]]
            assert changes == [[False, False, True], [True, False, False]]


@pytest.mark.parametrize('settings', [dict(), dict(pyramid='gaussian'), OLD], ids=str)
def test_keywords_of_the_pyramid_are_passed_to_it(settings):
    pyramid = MAFNet(8, 1, 2, **settings).pyramid
    assert [kernel.shape[-1] for kernel in pyramid.kernels] == 2 * [settings.get('pyramid_kernel', 5)]
    assert pyramid.padding == settings.get('pyramid_padding', 'reflect')


def test_simplest_interaction_is_smaller_than_both_attentions():
    """Section 4.2.1 calls Model-4 the simplest. With 3x3 convolutions, it would be larger than the full network."""
    assert parameters(interaction='conv') == 4_970_629 < parameters()
    assert parameters(interaction='conv', conv_kernel=3) == 8_312_965 > parameters()


@pytest.mark.parametrize(
    'settings', [dict(), OLD, dict(channels=4, upsampling='shuffle'), dict(interaction='conv', conv_kernel=3)], ids=str
)
@pytest.mark.parametrize('size', [(8, 8), (24, 16)])
def test_every_reading_takes_sides_that_are_multiples_of_eight(settings, size):
    network = MAFNet(**dict(channels=8, num_modules=1, num_heads=2) | settings)
    assert network.spec.size_multiple == network.spec.min_size == 8
    with torch.no_grad():
        assert network(torch.rand(1, 3, *size))[0].shape == (1, 3, *size)


@pytest.mark.parametrize('settings', [dict(), OLD, dict(upsampling='shuffle')], ids=str)
def test_memory_of_every_reading_is_within_the_declared_limit(settings):
    network = MAFNet(num_modules=2, **settings).eval()
    image = torch.rand(1, 3, 64, 96).contiguous(memory_format=torch.channels_last)
    held = tensor_memory(forward_pass(network, 'fp32', 'cpu'), image) / (64 * 96)
    assert 0.3 * network.spec.bytes_per_pixel < held <= network.spec.bytes_per_pixel


@pytest.mark.parametrize(
    'settings, text',
    [
        (dict(pyramid_kernel=4), r'pyramid_kernel must be one of \(5, 3\), found 4'),
        (dict(pyramid_padding='same'), r"pyramid_padding must be one of \('reflect', 'zeros'\), found 'same'"),
        (dict(spatial_order=None), r"spatial_order must be one of \('parallel', 'coarse_to_fine'\), found None"),
        (dict(upsampling='nearest'), r"upsampling must be one of \('conv_shuffle', 'shuffle'\), found 'nearest'"),
        (dict(conv_kernel='3'), r"conv_kernel must be one of \(1, 3\), found '3'"),
    ],
)
def test_error_for_an_unknown_reading_names_it(settings, text):
    with pytest.raises(ValueError, match=f'^MAFNet: {text}$'):
        MAFNet(**settings)
