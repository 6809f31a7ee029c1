"""Pad images to sizes that a network accepts, and run a network on tiles if an image is too large for the memory."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .spec import NetworkSpec

#: Tiles begin at multiples of this number of pixels. Therefore a pixel of downsampled features covers the same image
#: pixels in a tile as in the whole image. If a network has a ``size_multiple``, its tiles begin at common multiples of
#: ``GRID`` and ``size_multiple`` (see :func:`tile_grid`).
GRID = 16


def pad_image(batch: Tensor, spec: NetworkSpec) -> Tensor:
    """Pad images at the right and at the bottom to a size that a network accepts.

    A side that is longer than its padding is padded by reflection. Any other side is too short for this, because a
    reflection of n pixels needs a side of at least n + 1 pixels. Such a side is padded by repeating its edge pixels.

    Args:
        batch: (N, C, H, W).
        spec: requirements of the network.

    Returns:
        (N, C, H', W') with the image in its top left corner; ``batch`` itself if no padding is needed.
    """
    height, width = batch.shape[-2:]
    right, bottom = spec.padded_side(width) - width, spec.padded_side(height) - height
    if right:
        batch = F.pad(batch, (0, right, 0, 0), mode='reflect' if right < width else 'replicate')
    if bottom:
        batch = F.pad(batch, (0, 0, 0, bottom), mode='reflect' if bottom < height else 'replicate')
    return batch


@dataclass(frozen=True)
class Tile:
    """A part of an image that is passed through a network separately. All slices are in pixels of the whole image.

    Attributes:
        rows, columns: part of the image that the network reads: the core and the halo around it. It begins at multiples
            of :data:`GRID`.
        core_rows, core_columns: the core of the tile. Only the result for the core is kept. The cores of all tiles
            cover each pixel of the image exactly once.
        image_size: height and width of the whole image.
    """

    rows: slice
    columns: slice
    core_rows: slice
    core_columns: slice
    image_size: tuple[int, int]

    def folded(self, factor: int) -> 'Tile':
        """Return the same tile, in pixels of the image after a pixel-unshuffle.

        Args:
            factor: factor of the pixel-unshuffle, a divisor of :data:`GRID`.
        """

        def fold(part: slice) -> slice:
            return slice(part.start // factor, math.ceil(part.stop / factor))

        height, width = (math.ceil(side / factor) for side in self.image_size)
        return Tile(fold(self.rows), fold(self.columns), fold(self.core_rows), fold(self.core_columns), (height, width))


def crop_core(result: Tensor, tile: Tile) -> Tensor:
    """Crop the result of a tile to the core of the tile.

    Args:
        result: result of a network for the tile, (..., h, w).
        tile: the tile.
    """
    top, left = tile.core_rows.start - tile.rows.start, tile.core_columns.start - tile.columns.start
    height, width = (part.stop - part.start for part in (tile.core_rows, tile.core_columns))
    return result[..., top : top + height, left : left + width]


def tile_grid(spec: NetworkSpec) -> int:
    """Return the tile grid of a network in pixels: the tiles begin at multiples of this number."""
    return math.lcm(GRID, spec.size_multiple)


def iter_tiles(height: int, width: int, size: int, halo: int, grid: int = GRID) -> Iterator[Tile]:
    """Yield the tiles of an image, row by row.

    Args:
        height: height of the image in pixels.
        width: width of the image in pixels.
        size: side of the cores in pixels. The function rounds it up to a multiple of ``grid``. The cores at the right
            and bottom may be smaller, or larger by at most ``grid`` pixels.
        halo: width in pixels of the margin around a core that the network also reads. The function rounds it up to a
            multiple of ``grid``.
        grid: tiles begin at multiples of this number of pixels.
    """
    size, halo = (math.ceil(n / grid) * grid for n in (size, halo))

    def intervals(length: int) -> list[tuple[slice, slice]]:
        # If the last core would have at most `grid` pixels, it becomes a part of the previous core.
        starts = range(0, max(1, length - grid), size)
        ends = [*starts[1:], length]
        return [(slice(max(0, a - halo), min(length, b + halo)), slice(a, b)) for a, b in zip(starts, ends)]

    for rows, core_rows in intervals(height):
        for columns, core_columns in intervals(width):
            yield Tile(rows, columns, core_rows, core_columns, (height, width))


def max_tile_size(memory: int, bytes_per_pixel: int, halo: int, grid: int = GRID) -> int:
    """Return the largest side of a core, in pixels, for which a tile needs at most ``memory`` bytes.

    The result is a multiple of ``grid``. It is at least ``4 * grid``, even if such a tile needs more memory.

    Args:
        memory: memory for one tile in bytes.
        bytes_per_pixel: memory in bytes that the network needs for each pixel of a tile.
        halo: as for :func:`iter_tiles`.
        grid: as for :func:`iter_tiles`.
    """
    size = math.isqrt(memory // bytes_per_pixel) - 2 * math.ceil(halo / grid) * grid
    return max(size // grid, 4) * grid


def run_on_tiles(run: Callable[[Tensor, Tile], Tensor], batch: Tensor, size: int, spec: NetworkSpec) -> Tensor:
    """Run a function on each tile of a batch, and join the cores of the results.

    Args:
        run: function with two arguments: the part of the batch in a tile, (N, C, h, w), and the tile. It returns the
            result for this part, (N, C, h, w).
        batch: (N, C, H, W).
        size: side of the cores in pixels, as for :func:`iter_tiles`.
        spec: requirements of the network.

    Returns:
        The joined results, (N, C, H, W).
    """
    joined = torch.empty_like(batch)
    height, width = batch.shape[-2:]
    for tile in iter_tiles(height, width, size, spec.halo, tile_grid(spec)):
        result = run(batch[..., tile.rows, tile.columns], tile)
        joined[..., tile.core_rows, tile.core_columns] = crop_core(result, tile)
    return joined


def available_memory(device: torch.device) -> int | None:
    """Return the free memory of a device in bytes, or None if it is unknown."""
    if device.type == 'cuda':
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    try:
        with open('/proc/meminfo', encoding='ascii') as file:
            found = [line.split() for line in file if line.startswith('MemAvailable:')]
    except OSError:
        return None
    return 1024 * int(found[0][1]) if found else None
