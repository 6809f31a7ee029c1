"""1x1 convolutions over all earlier features of a densely connected network."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import bias_of, conv2d_split

#: Number of convolutions in a block, see :class:`DenseConv1x1`.
BLOCK = 8


class DenseConv1x1:
    """Compute ``y_i = conv_i(cat(x_0, .., x_i))`` for i = 1, 2, .., when :meth:`append` adds the features x_i.

    The plain form concatenates i + 1 tensors for each i. It therefore copies and reads all earlier features again for
    each i. This class divides the convolutions into blocks of eight. All convolutions of a block read the features from
    before the block. One convolution with the stacked weights of the block computes the contribution of these features
    to all eight results. Within a block, only the newest features need a separate convolution for each i.

    Args:
        convs: 1x1 convolutions conv_1, conv_2, .. with bias; ``conv_i`` has ``(i + 1) C`` input channels.
        first: x_0, (N, C, H, W).
    """

    def __init__(self, convs: Sequence[nn.Conv2d], first: Tensor) -> None:
        self._convs = list(convs)
        self._old = [first]  # features from before the current block: x_0, and one tensor for each earlier block
        self._new: Tensor | None = None  # features that were added during the current block
        self._shares: list[Tensor] = []  # contributions of the old features to the remaining y_i of the block
        self._count = 0

    def append(self, x: Tensor) -> Tensor:
        """Add the next features x_i, (N, C, H, W), and return y_i, (N, out, H, W)."""
        if not self._shares:
            self._start_block()
        self._new = x if self._new is None else torch.cat([self._new, x], dim=1)
        weight = self._convs[self._count].weight[:, -self._new.shape[1] :]
        self._count += 1
        return F.conv2d(self._new, weight).add_(self._shares.pop(0))

    def _start_block(self) -> None:
        if self._new is not None:
            self._old.append(self._new)
            self._new = None
        convs = self._convs[self._count : self._count + BLOCK]
        channels = sum(features.shape[1] for features in self._old)
        weight = torch.cat([conv.weight[:, :channels] for conv in convs])
        shares = conv2d_split(self._old, weight, torch.cat([bias_of(conv) for conv in convs]))
        self._shares = list(shares.chunk(len(convs), dim=1))
        if self._count + BLOCK >= len(self._convs):
            self._old.clear()  # this is the last block, so the old features are not needed any more
