"""The Haar wavelet behind a 1x1 convolution, as one convolution, and views of its bands (MAFNet)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import bias_of

#: The orthonormal Haar wavelet: (band, row, column); bands LL, HL (differences along x), LH (along y), HH.
HAAR = torch.tensor([[[1, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]]) / 2


def conv1x1_haar(x: Tensor, conv: nn.Conv2d, wavelet: Tensor) -> Tensor:
    """Apply a 1x1 convolution and one level of the Haar wavelet to groups of its channels.

    The convolution's channel ``4 c + p`` becomes place p of the 2x2 blocks of band maps c, by pixel-shuffle. Both steps
    are linear, so they are one convolution of stride 2. Its kernel for place p, band b and channel c is
    ``wavelet[b] * weight[4 c + p]``. The plain form makes four maps at full resolution first.

    Args:
        x: (N, C, H, W), sides even.
        conv: 1x1 convolution to a multiple of four channels, with bias.
        wavelet: :data:`HAAR`.

    Returns:
        (N, 4 * out, H / 2, W / 2), channels in the order (place in the 2x2 block, band, channel of the group).
    """
    kernel = torch.einsum('brk,cpi->pbcirk', wavelet, conv.weight.flatten(1).unflatten(0, (-1, 4)))
    # A product of two rows, not a view of a table, because torch's compiler for CPUs does not take a view for a bias.
    of_band = wavelet.sum((1, 2)).repeat_interleave(conv.out_channels // 4)
    bias = of_band.repeat(4) * bias_of(conv).unflatten(0, (-1, 4)).T.repeat(1, 4).flatten()
    return F.conv2d(x, kernel.flatten(0, 2), bias, stride=2)


def band_maps(bands: Tensor) -> Tensor:
    """Return the bands as maps of full size, by pixel-shuffle.

    Args:
        bands: result of :func:`conv1x1_haar`, (N, 4 C, h, w).

    Returns:
        (N, 4, C / 4, 2 h, 2 w): a map for each band and channel.
    """
    n, _, h, w = bands.shape
    return bands.view(n, 2, 2, 4, -1, h, w).permute(0, 3, 4, 5, 1, 6, 2).reshape(n, 4, -1, 2 * h, 2 * w)


def band_pixels(bands: Tensor) -> Tensor:
    """Return the bands pixel by pixel: (N, 4 C, h, w) -> (N, 4, 4 h w, C / 4), 2x2 block after block."""
    n, channels, h, w = bands.shape
    return bands.permute(0, 2, 3, 1).reshape(n, 4 * h * w, 4, channels // 16).transpose(1, 2)


def merge_band_pixels(pixels: Tensor, height: int, width: int) -> Tensor:
    """Return an image whose channels are those of the four bands, one after the other.

    In space this is the inverse of :func:`band_pixels`.

    Args:
        pixels: (N, 4, H W, C / 4), in the order of :func:`band_pixels`.
        height: H.
        width: W.

    Returns:
        (N, C, H, W), in the memory layout channels_last.
    """
    n, _, _, group = pixels.shape
    blocks = pixels.transpose(1, 2).reshape(n, height // 2, width // 2, 2, 2, 4 * group).transpose(2, 3)
    return blocks.reshape(n, height, width, 4 * group).permute(0, 3, 1, 2)
