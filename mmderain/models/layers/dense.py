"""1x1 convolutions over all earlier features of a densely connected network."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import bias_of, conv2d_split

#: Number of units whose convolutions read the older features in one product.
BLOCK = 8


class DenseConv1x1:
    """Compute ``y_i = conv_i(cat(x_0, .., x_i))`` for i = 1, 2, .., as the features x_i come in.

    The plain form concatenates i + 1 tensors for each i, so it copies and reads old features again for every unit. Here
    a block of eight convolutions reads all features from before the block in one product: their weights are stacked,
    ``[y_i; .., y_i+7] = [W_i; .., W_i+7] old + new parts``. Only the features of the block itself are concatenated.

    Args:
        convs: 1x1 convolutions with bias; ``conv_i`` has ``(i + 1) C`` input channels.
        first: x_0, (N, C, H, W).
    """

    def __init__(self, convs: Sequence[nn.Conv2d], first: Tensor) -> None:
        self._convs = list(convs)
        self._old = [first]  # features from before the current block, one tensor for each block
        self._new: Tensor | None = None  # features of the current block
        self._shares: list[Tensor] = []  # what the rest of the current block takes of the old features
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
            self._old.clear()  # the last block: nothing reads them again
