"""Anchors of MAFNet: averages of features over the cells of several grids.

The attention of MAFNet reads these 110 anchors instead of all pixels of a feature map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Sides of the grids: 1 + 9 + 36 + 64 = 110 anchors.
ANCHOR_GRIDS = (1, 3, 6, 8)


def pool_anchors(x: Tensor) -> Tensor:
    """Return the averages over the cells of grids of 1x1, 3x3, 6x6 and 8x8, (..., C, H, W) -> (..., C, 110).

    The paper calls this step spatial pyramid pooling (SPP).
    """
    maps = x.flatten(0, -4)
    pooled = torch.cat([F.adaptive_avg_pool2d(maps, grid).flatten(2) for grid in ANCHOR_GRIDS], dim=2)
    return pooled.view(*x.shape[:-2], pooled.shape[-1])


def conv1x1_anchors(anchors: Tensor, conv: nn.Conv2d) -> Tensor:
    """Apply a 1x1 convolution to anchors, (N, C, S) -> (N, out, S).

    Averages and a 1x1 convolution are linear, so ``conv1x1_anchors(pool_anchors(x), conv)`` equals
    ``pool_anchors(conv(x))``. The second expression takes longer, because it convolves every pixel.
    """
    return F.conv1d(anchors, conv.weight.squeeze(-1), conv.bias)
