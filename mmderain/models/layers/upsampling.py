"""Bilinear upsampling of whole images and of tiles by a factor of two."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tiling import Tile


def upsample2x(coarse: Tensor, tile: Tile | None = None, scale: int = 1) -> Tensor:
    """Upsample features by a factor of two, bilinearly with aligned corners.

    A line is a row or a column. With aligned corners, output line n is interpolated at the input position
    ``n (L - 1) / (2 L - 1)``, where L is the number of input lines of the whole image. The result for a tile therefore
    depends on the position of the tile in the image. If ``tile`` is given, the function interpolates at the same
    positions as for the whole image.

    Args:
        coarse: (N, C, h, w).
        tile: the part of the image that ``coarse`` contains; None if ``coarse`` contains whole images.
        scale: side of a pixel of ``coarse``, in pixels of the image. It is used only if ``tile`` is given.

    Returns:
        (N, C, 2 h, 2 w).
    """
    if tile is None:
        return F.interpolate(coarse, scale_factor=2, mode='bilinear', align_corners=True)
    height, width = tile.image_size
    up = _upsample_lines(coarse, 2, tile.rows.start // scale, height // scale)
    return _upsample_lines(up, 3, tile.columns.start // scale, width // scale)


def _upsample_lines(coarse: Tensor, dim: int, first: int, whole: int) -> Tensor:
    """Upsample along one dimension.

    The whole image has ``whole`` lines. The first line of ``coarse`` is line number ``first`` of the whole image.
    """
    lines, last = coarse.shape[dim], whole - 1
    position = torch.arange(2 * lines, dtype=torch.float64, device=coarse.device)
    position = ((position + 2 * first) * (last / (2 * last + 1)) - first).clamp(0, lines - 1)
    before = position.long()
    share = (position - before).to(coarse.dtype).view([-1 if d == dim else 1 for d in range(4)])
    a, b = (coarse.index_select(dim, line) for line in (before, (before + 1).clamp(max=lines - 1)))
    return torch.lerp(a, b, share)
