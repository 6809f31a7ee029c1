import pytest
import torch
from reference.mafnet import haar, rearrange_bands
from torch import Tensor

from mmderain.models import Derainer, MAFNet
from mmderain.models.layers import pool_anchors
from mmderain.models.networks.mafnet import ChannelAttention, CrossScale, SpatialAttention


def test_haar_wavelet_is_orthonormal():
    x = torch.rand(2, 3, 6, 8, dtype=torch.float64)
    ll, hl, lh, hh = haar(x).unbind(1)
    assert torch.allclose(haar(x).square().sum(), x.square().sum())
    back = torch.empty_like(x)
    back[..., ::2, ::2], back[..., ::2, 1::2] = (ll + hl + lh + hh) / 2, (ll - hl + lh - hh) / 2
    back[..., 1::2, ::2], back[..., 1::2, 1::2] = (ll + hl - lh - hh) / 2, (ll - hl - lh + hh) / 2
    assert torch.allclose(back, x)


def test_haar_bands_have_the_named_order():
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing='ij')
    patterns = [torch.ones(4, 4), (-1) ** x, (-1) ** y, (-1) ** (x + y)]  # flat, along x, along y, both
    for band, pattern in enumerate(patterns):
        groups = rearrange_bands(pattern.expand(1, 8, 4, 4))
        assert groups.shape == (1, 4, 2, 4, 4)
        energy = groups.square().sum((0, 2, 3, 4))
        assert energy[band] == 8 * 16 and energy.sum() == energy[band]


def test_band_maps_place_four_channels_in_each_2x2_block():
    x = torch.rand(1, 8, 4, 6)
    low = (x[..., ::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, ::2] + x[..., 1::2, 1::2]) / 2
    group = rearrange_bands(x)[:, 0]
    assert torch.allclose(group[0, 1, 2::2, 1::2], low[0, 5, 1:])  # channel 4 * 1 + 1: row 0, column 1 of the block


def with_gradients(result: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    weight = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view_as(result)
    return [result, *torch.autograd.grad((result * weight).sum(), inputs)]


def scales(channels=8):
    large = torch.rand(2, channels, 16, 12, dtype=torch.float64, requires_grad=True)
    small = torch.rand(2, channels, 8, 6, dtype=torch.float64, requires_grad=True)
    return large, small


def test_spatial_attention_equals_explicit_attention_maps_with_gradients():
    layer, (large, small) = SpatialAttention(8).double(), scales()
    inputs = [large, small, *layer.parameters()]
    q = rearrange_bands(layer.query(large))
    k, v = pool_anchors(rearrange_bands(layer.key(small))), pool_anchors(rearrange_bands(layer.value(small)))
    groups = []
    for g in range(4):
        per_pixel = q[:, g].flatten(2).transpose(1, 2)  # (N, H W, C / 4)
        weights = torch.softmax(per_pixel @ k[:, g], dim=-1)  # over 110 anchors, no scaling
        assert weights.shape == (2, 16 * 12, 110)
        groups.append((weights @ v[:, g].transpose(1, 2)).transpose(1, 2).view(2, 2, 16, 12))
    plain = large + layer.out(torch.cat(groups, dim=1))
    for a, b in zip(with_gradients(layer(large, small), inputs), with_gradients(plain, inputs), strict=True):
        assert torch.allclose(a, b, atol=1e-10)


@pytest.mark.parametrize('heads', [1, 2, 4])
def test_channel_attention_equals_explicit_attention_maps_with_gradients(heads):
    layer, (large, small) = ChannelAttention(8, heads).double(), scales()
    inputs = [large, small, *layer.parameters()]
    q = pool_anchors(layer.query(large)).transpose(1, 2)  # (N, 110, C)
    k = pool_anchors(layer.key(small)).transpose(1, 2)
    v = layer.value(large).flatten(2).transpose(1, 2)  # (N, H W, C)
    size, parts = 8 // heads, []
    for h in range(heads):
        own = slice(h * size, (h + 1) * size)
        mix = torch.softmax(k[..., own].transpose(1, 2) @ q[..., own], dim=1)  # rows are K's channels
        assert torch.allclose(mix.sum(1), torch.ones_like(mix.sum(1)))
        parts.append(v[..., own] @ mix)
    plain = large + torch.cat(parts, -1).transpose(1, 2).view_as(large)
    for a, b in zip(with_gradients(layer(large, small), inputs), with_gradients(plain, inputs), strict=True):
        assert torch.allclose(a, b, atol=1e-10)


def test_each_scale_interacts_with_the_documented_scale():
    class Add(torch.nn.Module):
        def forward(self, large, small):
            return large + 10 * small

    features = [torch.tensor(float(v)) for v in (1, 2, 3)]  # finest first
    assert [int(t) for t in CrossScale(Add, 3, False, coarse_to_fine=True)(features)] == [3321, 332, 33]
    assert [int(t) for t in CrossScale(Add, 3, False, coarse_to_fine=False)(features)] == [21, 32, 33]
    assert [int(t) for t in CrossScale(Add, 3, True, coarse_to_fine=True)(features)] == [11, 22, 33]


@pytest.mark.parametrize('interaction, reaches', [('both', True), ('spatial', True), ('conv', False)])
def test_attention_uses_distant_pixels(interaction, reaches):
    network = MAFNet(8, 1, 2, interaction=interaction).double().eval()
    x = torch.rand(1, 3, 64, 128, dtype=torch.float64)
    other = x.clone()
    other[..., :2, :2] += 0.5
    with torch.no_grad():
        change = (network(other)[0] - network(x)[0])[..., -8:, -8:].abs().max()
    assert (change > 1e-12) == reaches


def trained(**settings) -> int:
    return sum(p.numel() for p in MAFNet(16, 2, **settings).parameters() if p.requires_grad)


def test_parameter_counts_of_the_ablations():
    conv = 4 * (16 * 16 + 16)  # a spatial attention
    channel = 3 * (16 * 16 + 16)
    full = trained()
    assert trained(pyramid='gaussian') == trained(pyramid='bilinear') == full - 2 * 9 * 25
    assert trained(interaction='none') == full == trained(num_heads=16)
    assert trained(interaction='spatial') == full - 6 * channel
    assert trained(interaction='channel') == full - 9 * conv
    without = full - 6 * channel - 9 * conv
    assert trained(interaction='conv') == without + 15 * (2 * 16 * 16 + 16)
    assert trained(interaction='conv', conv_kernel=3) == without + 15 * (2 * 16 * 16 * 9 + 16)


def test_restore_pads_to_multiples_of_eight():
    model = Derainer(dict(type='MAFNet', channels=8, num_modules=1, num_heads=2)).eval()
    with torch.no_grad():
        for size in ((1, 1), (9, 30), (17, 8)):
            assert model.restore(torch.rand(1, 3, *size)).shape == (1, 3, *size)
        x = torch.rand(1, 3, 16, 24)
        assert torch.allclose(model.restore(x), model.network(x)[-1].clamp(0, 1), atol=1e-6)


def test_every_parameter_gets_a_gradient():
    network = MAFNet(8, 2, 2)
    network(torch.rand(1, 3, 16, 16))[0].sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(
    'settings, text',
    [
        (dict(interaction='some'), r"interaction must be one of \('both', .*, found 'some'"),
        (dict(pyramid='mean'), r"pyramid must be one of \('adaptive', 'gaussian', 'bilinear'\), found 'mean'"),
        (dict(channels=30), 'multiple of 4'),
        (dict(channels=8, num_heads=3), '8 channels cannot be split into 3 heads'),
    ],
)
def test_error_for_a_wrong_setting_names_it(settings, text):
    with pytest.raises(ValueError, match=text):
        MAFNet(**settings)
