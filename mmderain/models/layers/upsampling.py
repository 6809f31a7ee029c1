"""Bilinear upsampling by two, of whole images and of tiles."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tiling import Tile


def upsample2x(coarse: Tensor, tile: Tile | None = None, scale: int = 1) -> Tensor:
    """Upsample features by two, bilinearly with aligned corners.

    With aligned corners, output line n lies at input line ``n (L - 1) / (2 L - 1)``, where L is the number of input
    lines of the whole image. A tile therefore needs to know its place: its lines start at ``first`` of the whole, and
    are interpolated where the whole would interpolate them.

    Args:
        coarse: (N, C, h, w).
        tile: the tile that the features belong to, None for a whole image.
        scale: pixels of the image for each pixel of ``coarse``; read with a tile only.

    Returns:
        (N, C, 2 h, 2 w).
    """
    if tile is None:
        return F.interpolate(coarse, scale_factor=2, mode='bilinear', align_corners=True)
    height, width = tile.image_size
    up = _upsample_lines(coarse, 2, tile.rows.start // scale, height // scale)
    return _upsample_lines(up, 3, tile.columns.start // scale, width // scale)


def _upsample_lines(coarse: Tensor, dim: int, first: int, whole: int) -> Tensor:
    """Upsample along one dimension; ``coarse`` holds lines ``first``, ``first + 1``, .. of ``whole``."""
    lines, last = coarse.shape[dim], whole - 1
    position = torch.arange(2 * lines, dtype=torch.float64, device=coarse.device)
    position = ((position + 2 * first) * (last / (2 * last + 1)) - first).clamp(0, lines - 1)
    before = position.long()
    share = (position - before).to(coarse.dtype).view([-1 if d == dim else 1 for d in range(4)])
    a, b = (coarse.index_select(dim, line) for line in (before, (before + 1).clamp(max=lines - 1)))
    return torch.lerp(a, b, share)
