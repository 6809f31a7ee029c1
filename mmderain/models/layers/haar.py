"""A 1x1 convolution and the Haar wavelet after it, computed as one convolution, for MAFNet.

Other functions in this module rearrange the wavelet bands that this convolution returns.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import bias_of

#: Kernels of the orthonormal Haar wavelet, (band, row, column). The bands are LL, HL (differences along x), LH
#: (differences along y) and HH.
HAAR = torch.tensor([[[1, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]]) / 2


def conv1x1_haar(x: Tensor, conv: nn.Conv2d, wavelet: Tensor) -> Tensor:
    """Apply a 1x1 convolution, and then one level of the Haar wavelet to each of its output channels.

    The wavelet halves the resolution. Later, a pixel-shuffle (:func:`band_maps`) makes maps of full size from the
    bands. Map c of band b consists of band b of the four output channels ``4 c`` to ``4 c + 3`` of the 1x1 convolution.
    Band b of channel ``4 c + p`` gives pixel p of each 2x2 block of the map, for p = 0, 1, 2, 3.

    The convolution and the wavelet are linear, so one convolution of stride 2 computes both. Its kernel for pixel p,
    band b and map c is ``wavelet[b] * weight[4 c + p]``. The plain form first computes the 1x1 convolution at full
    resolution.

    Args:
        x: (N, C, H, W) with even H and W.
        conv: 1x1 convolution with bias; its number of output channels is a multiple of four.
        wavelet: :data:`HAAR`.

    Returns:
        Bands, (N, 4 * out, H / 2, W / 2). The order of the channels is (pixel p of the 2x2 block, band, map c).
    """
    kernel = torch.einsum('brk,cpi->pbcirk', wavelet, conv.weight.flatten(1).unflatten(0, (-1, 4)))
    # The bias is an outer product of two vectors. The plain code would pass a view of this matrix, but torch.compile
    # for CPUs does not accept a view as a bias.
    of_band = wavelet.sum((1, 2)).repeat_interleave(conv.out_channels // 4)
    bias = of_band.repeat(4) * bias_of(conv).unflatten(0, (-1, 4)).T.repeat(1, 4).flatten()
    return F.conv2d(x, kernel.flatten(0, 2), bias, stride=2)


def band_maps(bands: Tensor) -> Tensor:
    """Make maps of full size from the bands by a pixel-shuffle.

    Args:
        bands: result of :func:`conv1x1_haar`, (N, 4 C, h, w).

    Returns:
        (N, 4, C / 4, 2 h, 2 w): C / 4 maps for each of the four bands.
    """
    n, _, h, w = bands.shape
    return bands.view(n, 2, 2, 4, -1, h, w).permute(0, 3, 4, 5, 1, 6, 2).reshape(n, 4, -1, 2 * h, 2 * w)


def band_pixels(bands: Tensor) -> Tensor:
    """Return the same values as :func:`band_maps`, with a list of pixels in place of rows and columns.

    Args:
        bands: result of :func:`conv1x1_haar`, (N, 4 C, h, w).

    Returns:
        (N, 4, 4 h w, C / 4) with the dimensions (image, band, pixel, map). The list of pixels contains one 2x2 block
        after the other. The four pixels of a block are next to each other.
    """
    n, channels, h, w = bands.shape
    return bands.permute(0, 2, 3, 1).reshape(n, 4 * h * w, 4, channels // 16).transpose(1, 2)


def merge_band_pixels(pixels: Tensor, height: int, width: int) -> Tensor:
    """Merge the pixels of the four bands into one feature map.

    The channels of the result are the maps of the first band, then those of the second band, and so on. Each pixel has
    the same position as in the result of :func:`band_maps`.

    Args:
        pixels: (N, 4, H W, C / 4), in the order of :func:`band_pixels`.
        height: H, height of the features in pixels.
        width: W, width of the features in pixels.

    Returns:
        (N, C, H, W), in the memory layout channels_last.
    """
    n, _, _, group = pixels.shape
    blocks = pixels.transpose(1, 2).reshape(n, height // 2, width // 2, 2, 2, 4 * group).transpose(2, 3)
    return blocks.reshape(n, height, width, 4 * group).permute(0, 3, 1, 2)
