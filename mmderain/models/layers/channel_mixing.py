"""A 1x1 convolution and the channel attention after it, computed as one convolution (MAFNet)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import bias_of


def mix_conv1x1(x: Tensor, conv: nn.Conv2d, mix: Tensor) -> Tensor:
    """Apply a 1x1 convolution, and mix its output channels with a separate matrix for each image.

    The formula is ``mix^T (W x + b) = (mix^T W) x + mix^T b``. The plain form multiplies the matrix with the features
    of every pixel. This function multiplies the matrix with the weights of the convolution, which are far fewer
    numbers.

    Args:
        x: (N, C, H, W).
        conv: 1x1 convolution with bias and ``heads * c`` output channels.
        mix: (N, heads, c, c). In each head, ``mix[.., i, j]`` is the weight that output channel i of the convolution
            has in channel j of the result.

    Returns:
        Mixed channels, (N, heads * c, H, W).
    """
    heads = mix.shape[1]
    weight_and_bias = torch.cat([conv.weight.flatten(1), bias_of(conv)[:, None]], dim=1)
    mixed = (mix.transpose(-1, -2) @ weight_and_bias.unflatten(0, (heads, -1))).flatten(1, 2)
    weights, biases = mixed[..., :-1, None, None], mixed[..., -1]
    results = [F.conv2d(image[None], w, b) for image, w, b in zip(x, weights, biases, strict=True)]
    return torch.cat(results) if len(results) > 1 else results[0]
