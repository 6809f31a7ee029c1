"""Functions that build convolutions, and functions that convolve several tensors with less time or memory."""

import itertools
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution with bias and zero padding 1."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1)


def conv1x1(in_channels: int, out_channels: int, bias: bool = True) -> nn.Conv2d:
    """Return a 1x1 convolution."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=bias)


def bias_of(conv: nn.Conv2d) -> Tensor:
    """Return the bias of a convolution.

    Raises:
        ValueError: the convolution has no bias.
    """
    if conv.bias is None:
        raise ValueError(f'{conv} has no bias; expected a convolution with bias')
    return conv.bias


def conv2d_split(parts: Iterable[Tensor], weight: Tensor, bias: Tensor | None = None, padding: int = 0) -> Tensor:
    """Convolve a concatenation of tensors without building the concatenation.

    The formula is ``conv(cat(x_1, .., x_n)) = sum_i conv_i(x_i)``. The weight of ``conv_i`` is the part of ``weight``
    for the channels of ``x_i``. The plain form writes the concatenation to memory and reads it again. If ``parts`` is a
    generator, only one part is in memory at a time.

    Args:
        parts: the tensors x_1, .., x_n, each (N, C_i, H, W).
        weight: (out, sum of C_i, k, k).
        bias: (out,) or None.
        padding: zero padding in pixels.

    Returns:
        (N, out, H', W').

    Raises:
        ValueError: ``parts`` is empty.
    """
    total: Tensor | None = None
    start = 0
    for part in parts:
        end = start + part.shape[1]
        product = F.conv2d(part, weight[:, start:end], bias, padding=padding)
        total = product if total is None else total.add_(product)
        start, bias = end, None
        del part, product  # free their memory before the generator computes the next part
    if total is None:
        raise ValueError('conv2d_split: parts is empty; expected at least one tensor')
    return total


def conv1x1_upsampled(fine: Tensor, coarse: Sequence[Tensor], conv: nn.Conv2d) -> Tensor:
    """Apply a 1x1 convolution to the concatenation of features and upsampled coarser features.

    The formula is ``conv(cat(x, up(c_1), .., up(c_n))) = conv_0(x) + sum_i up(conv_i(c_i))``. It holds because
    nearest-neighbor upsampling commutes with a 1x1 convolution. The plain form convolves each ``c_i`` after the
    upsampling, at full resolution. This function convolves ``c_i`` before the upsampling. For example, if ``c_i`` has
    half the resolution, it has a quarter of the pixels.

    Args:
        fine: features x, (N, C_0, H, W).
        coarse: features c_1, .., c_n, each (N, C_i, h_i, w_i).
        conv: 1x1 convolution with bias. The number of its input channels is the sum of C_0, C_1, .., C_n.

    Returns:
        (N, out, H, W).
    """
    kernels = conv.weight.split([fine.shape[1], *(x.shape[1] for x in coarse)], dim=1)
    total = F.conv2d(fine, kernels[0], conv.bias)
    scales = [total, *(F.conv2d(x, kernel) for x, kernel in zip(coarse, kernels[1:], strict=True))]
    nested = _sides_are_multiples(scales)
    for i in reversed(range(1, len(scales))):
        # If possible, each scale is upsampled only to the next finer scale, which has fewer pixels than ``fine``.
        target = scales[i - 1] if nested else total
        target += F.interpolate(scales.pop(), target.shape[-2:], mode='nearest')
    return total


def _sides_are_multiples(scales: Sequence[Tensor]) -> bool:
    """Return whether the sides of each scale are multiples of the sides of the next scale.

    If this is true, nearest-neighbor upsampling from scale to scale gives the same result as upsampling in one step.
    False is also returned if the sizes are not known, as in a model that is exported for variable image sizes.
    """
    if torch.compiler.is_exporting():
        return False
    sides = [scale.shape[-2:] for scale in scales]
    return all(fine % coarse == 0 for pair in itertools.pairwise(sides) for fine, coarse in zip(*pair, strict=True))
