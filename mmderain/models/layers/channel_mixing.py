"""Channel attention over a 1x1 convolution, as one convolution (MAFNet)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import bias_of


def mix_conv1x1(x: Tensor, conv: nn.Conv2d, mix: Tensor) -> Tensor:
    """Mix the channels of ``conv(x)``, with another mixture for each image.

    ``mix^T (W x + b) = (mix^T W) x + mix^T b``: the mixture is applied to the weights, which are few, and not to the
    pixels.

    Args:
        x: (N, C, H, W).
        conv: 1x1 convolution with bias, ``heads * c`` output channels.
        mix: (N, heads, c, c), the share of each channel of the convolution (third dimension) in each result (fourth).

    Returns:
        (N, heads * c, H, W).
    """
    heads = mix.shape[1]
    weight_and_bias = torch.cat([conv.weight.flatten(1), bias_of(conv)[:, None]], dim=1)
    mixed = (mix.transpose(-1, -2) @ weight_and_bias.unflatten(0, (heads, -1))).flatten(1, 2)
    weights, biases = mixed[..., :-1, None, None], mixed[..., -1]
    results = [F.conv2d(image[None], w, b) for image, w, b in zip(x, weights, biases, strict=True)]
    return torch.cat(results) if len(results) > 1 else results[0]
