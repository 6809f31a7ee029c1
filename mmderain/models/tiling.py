"""Bringing pictures to a size that a network can work on."""

import torch.nn.functional as F
from torch import Tensor


def pad_to(batch: Tensor, min_size: int = 1, multiple: int = 1) -> Tensor:
    """Pad right and bottom to a minimum side and a multiple; the batch itself if nothing is missing.

    Reflects where the picture is large enough, repeats its edge where reflection cannot (a reflection needs
    one pixel more than it pads).

    Args:
        batch: (N, C, H, W).
        min_size: the least height and width.
        multiple: height and width become multiples of this.

    Returns:
        (N, C, H', W') with the picture in its top left corner.
    """
    height, width = batch.shape[-2:]

    def missing(side: int) -> int:
        return -(-max(side, min_size) // multiple) * multiple - side

    for sides in ((0, missing(width), 0, 0), (0, 0, 0, missing(height))):
        amount = max(sides)
        if amount:
            side = width if sides[1] else height
            batch = F.pad(batch, sides, mode='reflect' if amount < side else 'replicate')
    return batch
