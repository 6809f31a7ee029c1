"""Each rearranged layer equals its plain formula, in double precision."""

import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmderain.models.layers import (
    HAAR,
    ConvLSTM,
    DenseConv1x1,
    ImagePyramid,
    band_maps,
    band_pixels,
    conv1x1,
    conv1x1_anchors,
    conv1x1_haar,
    conv1x1_upsampled,
    conv2d_split,
    conv3x3,
    merge_band_pixels,
    mix_conv1x1,
    pool_anchors,
    upsample2x,
)
from mmderain.models.tiling import iter_tiles

close = dict(rtol=1e-10, atol=1e-12)


def random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64) - 0.5


def test_conv2d_split_equals_convolution_of_the_concatenation():
    conv, parts = conv3x3(9, 4).double(), [random(2, c, 6, 5) for c in (2, 4, 3)]
    split = conv2d_split(iter(parts), conv.weight, conv.bias, padding=1)
    assert torch.allclose(split, conv(torch.cat(parts, dim=1)), **close)
    assert torch.allclose(conv2d_split(parts[:1], conv.weight[:, :2]), F.conv2d(parts[0], conv.weight[:, :2]), **close)


def test_conv2d_split_keeps_one_part_in_memory_at_a_time():
    made = []

    def make():
        for _ in range(3):
            assert all(part() is None for part in made)  # earlier parts are no longer in memory
            part = random(1, 2, 4, 4)
            made.append(weakref.ref(part))
            yield part
            del part

    conv2d_split(make(), random(3, 6, 1, 1))
    assert len(made) == 3


@pytest.mark.parametrize('size', [(16, 24), (13, 18)])
def test_conv1x1_upsampled_equals_convolution_after_upsampling(size):
    conv, fine = conv1x1(12, 5).double(), random(2, 4, *size)
    coarse = [random(2, 4, -(-size[0] // k), -(-size[1] // k)) for k in (2, 4)]
    plain = conv(torch.cat([fine, *(F.interpolate(x, size, mode='nearest') for x in coarse)], dim=1))
    assert torch.allclose(conv1x1_upsampled(fine, coarse, conv), plain, **close)


@pytest.mark.parametrize('units', [1, 7, 8, 9, 20])
def test_dense_conv1x1_equals_convolution_of_all_earlier_features(units):
    convs = nn.ModuleList(conv1x1(3 * (i + 2), 3) for i in range(units)).double()
    features = [random(2, 3, 5, 4) for _ in range(units + 1)]
    dense = DenseConv1x1(convs, features[0])
    for i, conv in enumerate(convs):
        assert torch.allclose(dense.append(features[i + 1]), conv(torch.cat(features[: i + 2], dim=1)), **close)


def test_conv_lstm_equals_separate_gates_with_a_zero_first_state():
    cell, x = ConvLSTM(3).double(), [random(2, 3, 6, 5) for _ in range(3)]
    h = c = torch.zeros_like(x[0])
    state = None
    for step in x:
        state = cell(step, state)
        gates = F.conv2d(torch.cat([step, h], dim=1), cell.gates.weight, cell.gates.bias, padding=1).chunk(4, dim=1)
        f, i, o = (torch.sigmoid(gate) for gate in gates[:3])
        c = f * c + i * torch.tanh(gates[3])
        h = o * torch.tanh(c)
        assert torch.allclose(state[0], h, **close) and torch.allclose(state[1], c, **close)


@pytest.mark.parametrize('scale', [2, 4])
@pytest.mark.parametrize('size', [(96, 80), (83, 70)])
def test_upsample2x_of_a_tile_equals_that_of_the_whole_image(size, scale):
    coarse = random(1, 2, size[0] // scale, size[1] // scale)
    whole = upsample2x(coarse)
    for tile in iter_tiles(*size, 32, 16):
        rows, columns = (slice(part.start // scale, part.stop // scale) for part in (tile.rows, tile.columns))
        up = upsample2x(coarse[..., rows, columns], tile, scale)
        # The last two lines of a tile need a neighbor outside of the tile.
        inner = up[..., : up.shape[2] - 2, : up.shape[3] - 2]
        expected = whole[..., 2 * rows.start :, 2 * columns.start :][..., : inner.shape[2], : inner.shape[3]]
        margin = [2 if part.start else 0 for part in (rows, columns)]
        assert torch.allclose(inner[..., margin[0] :, margin[1] :], expected[..., margin[0] :, margin[1] :], **close)


def haar_bands(x: torch.Tensor) -> torch.Tensor:
    """Return the bands LL, HL, LH, HH of (N, C, H, W) as (N, 4, C, H / 2, W / 2)."""
    a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    return torch.stack([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], dim=1) / 2


def test_conv1x1_haar_equals_convolution_then_wavelet():
    conv, x = conv1x1(8, 8).double(), random(2, 8, 6, 10)
    plain = F.pixel_shuffle(haar_bands(conv(x)), 2)  # (N, bands, C / 4, H, W)
    bands = conv1x1_haar(x, conv, HAAR.double())
    assert torch.allclose(band_maps(bands), plain, **close)
    merged = merge_band_pixels(band_pixels(bands), 6, 10)
    assert torch.allclose(merged, plain.flatten(1, 2), **close)


def test_mix_conv1x1_equals_convolution_then_mixing():
    conv, x = conv1x1(6, 8).double(), random(3, 6, 4, 5)
    mix = torch.softmax(random(3, 2, 4, 4), dim=-2)
    plain = mix.transpose(-1, -2) @ conv(x).flatten(2).unflatten(1, (2, 4))
    assert torch.allclose(mix_conv1x1(x, conv, mix), plain.reshape(3, 8, 4, 5), **close)
    assert torch.allclose(mix_conv1x1(x[:1], conv, mix[:1]), plain[:1].reshape(1, 8, 4, 5), **close)


@pytest.mark.parametrize('size', [(2, 2), (5, 9), (8, 8), (31, 64)])
def test_pooling_gives_110_anchors_at_any_size(size):
    x = torch.rand(2, 3, *size)
    anchors = pool_anchors(x)
    assert anchors.shape == (2, 3, 110)
    assert torch.allclose(anchors[..., 0], x.mean((2, 3)))
    assert torch.allclose(anchors[..., 1:10], F.adaptive_avg_pool2d(x, 3).flatten(2))


def test_conv1x1_of_anchors_equals_anchors_of_the_convolution():
    conv, x = conv1x1(4, 6).double(), random(2, 4, 9, 12)
    assert torch.allclose(conv1x1_anchors(pool_anchors(x), conv), pool_anchors(conv(x)), **close)


@pytest.mark.parametrize('line', [[0.2741, 0.4519, 0.2741], [0.0545, 0.2442, 0.4026, 0.2442, 0.0545]])
def test_pyramid_kernels_are_a_gaussian_for_each_channel(line):
    """The expected numbers are exp(-x^2 / 2), divided by their sum."""
    gaussian = torch.outer(torch.tensor(line), torch.tensor(line))
    for kind in ('adaptive', 'gaussian'):
        kernels = ImagePyramid(kind, 3, channels=4, kernel_size=len(line)).kernels
        assert len(kernels) == 2
        for kernel in kernels:
            assert torch.allclose(kernel, torch.eye(4)[:, :, None, None] * gaussian, atol=1e-4)
            assert kernel.sum().item() == pytest.approx(4)


def test_pyramid_kernel_of_five_pixels_is_near_that_of_burt_and_adelson():
    line = ImagePyramid('gaussian', 2, kernel_size=5).kernels[0][0, 0].sum(0)
    assert torch.allclose(line, torch.tensor([0.05, 0.25, 0.4, 0.25, 0.05]), atol=0.006)


@pytest.mark.parametrize('padding', ['reflect', 'zeros'])
@pytest.mark.parametrize('size', [3, 5])
def test_pyramid_equals_the_sum_over_the_places_of_its_kernel(padding, size):
    pyramid = ImagePyramid('adaptive', 2, kernel_size=size, padding=padding).double()
    (kernel,) = pyramid.kernels
    torch.nn.init.normal_(kernel)
    x = random(2, 3, 6, 8)

    def pixel(y, column):
        """Return the pixels (N, 3) at a position, which may lie outside of the image."""
        inside = 0 <= y < 6 and 0 <= column < 8
        y, column = (abs(place) if place < side else 2 * side - 2 - place for place, side in ((y, 6), (column, 8)))
        return x[..., y, column] * (inside or padding == 'reflect')

    expected, margin = torch.zeros(2, 3, 3, 4, dtype=x.dtype), size // 2
    for y in range(3):
        for column in range(4):
            for i in range(size):
                for j in range(size):
                    outside = pixel(2 * y + i - margin, 2 * column + j - margin)
                    expected[..., y, column] += outside @ kernel[..., i, j].T
    assert torch.allclose(pyramid(x)[1], expected, **close)


def test_pyramid_keeps_the_brightness_at_the_border_by_reflection():
    white = torch.ones(1, 3, 16, 24)
    for kind in ('adaptive', 'gaussian', 'bilinear'):
        assert all(torch.allclose(level, torch.ones(())) for level in ImagePyramid(kind, 3)(white))
    dark = ImagePyramid('gaussian', 2, padding='zeros')(white)[1]
    assert dark[..., 0, :].max() < 0.71 and torch.allclose(dark[..., 1:-1, 1:-1], torch.ones(()))


def test_only_the_adaptive_pyramid_learns():
    assert all(kernel.requires_grad for kernel in ImagePyramid('adaptive', 3).kernels)
    assert not any(kernel.requires_grad for kernel in ImagePyramid('gaussian', 3).kernels)
    x = torch.rand(1, 3, 8, 8)
    assert torch.allclose(ImagePyramid('adaptive', 3)(x)[2], ImagePyramid('gaussian', 3)(x)[2])
    assert torch.allclose(ImagePyramid('bilinear', 3)(x)[1], F.avg_pool2d(x, 2))
