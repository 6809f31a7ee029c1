from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """3x3 convolution with bias and zero padding 1."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1)


def conv1x1(in_channels: int, out_channels: int, bias: bool = True) -> nn.Conv2d:
    """1x1 convolution."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=bias)


def conv2d_split(parts: Iterable[Tensor], weight: Tensor, bias: Tensor | None, padding: int = 0) -> Tensor:
    """The convolution of a concatenation as a sum of convolutions of its parts: the concatenation is never held, nor,
    if ``parts`` makes them as they are asked for, more than one of them.

    Args:
        parts: (N, C_i, H, W) each.
        weight: (out, sum of C_i, k, k), bias: (out,).

    Returns:
        (N, out, H', W').
    """
    total, start = None, 0
    for part in parts:
        end = start + part.shape[1]
        product = F.conv2d(part, weight[:, start:end], bias, padding=padding)
        total = product if total is None else total.add_(product)
        start, bias = end, None
        del part, product  # or they would be held while the next part is made
    return total
