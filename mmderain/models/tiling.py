"""Bringing pictures to sizes that a network, and the memory, can take."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

#: Surroundings that a tile is seen with, px, and the memory of a pass, bytes a pixel, of a network that declares none.
HALO, BYTES_PER_PIXEL = 64, 8192
#: Tiles begin at multiples of this, so that coarser scales fall on the same pixels as in the whole picture.
GRID = 16


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


@dataclass(frozen=True)
class Tile:
    """A part of a picture that a network sees alone.

    Attributes:
        rows, columns: of the picture, what the network sees; they begin at multiples of :data:`GRID`.
        core_rows, core_columns: of the picture, what is kept of the result; the cores cover the picture once.
        picture: height and width of the whole.
    """

    rows: slice
    columns: slice
    core_rows: slice
    core_columns: slice
    picture: tuple[int, int]

    def crop_core(self, result: Tensor) -> Tensor:
        """(..., h, w) of what the network saw -> the core."""
        top, left = self.core_rows.start - self.rows.start, self.core_columns.start - self.columns.start
        height, width = (part.stop - part.start for part in (self.core_rows, self.core_columns))
        return result[..., top : top + height, left : left + width]


_current: ContextVar[Tile | None] = ContextVar('tile', default=None)
_lock = threading.Lock()
_in_flight = 0  # tiles, in all threads: what torch.compile can see, as it cannot see a context variable


def current_tile() -> Tile | None:
    """The tile that is being worked on, for layers whose answer depends on where a pixel lies in the picture."""
    return _current.get() if _in_flight else None


@contextmanager
def within(tile: Tile) -> Iterator[None]:
    """Makes a tile the current one."""
    global _in_flight
    token = _current.set(tile)
    with _lock:
        _in_flight += 1
    try:
        yield
    finally:
        with _lock:
            _in_flight -= 1
        _current.reset(token)


def cut(height: int, width: int, side: int, halo: int) -> Iterator[Tile]:
    """The tiles of a picture, row by row.

    Args:
        side: of the cores, rounded up to a multiple of :data:`GRID`; those at the right and bottom may be smaller.
        halo: pixels of surroundings that a core is seen with, rounded up likewise.
    """
    side, halo = (-(-n // GRID) * GRID for n in (side, halo))

    def lines(length: int) -> list[tuple[slice, slice]]:
        # A last core of a few pixels is left to the one before it.
        starts = range(0, max(1, length - GRID), side)
        ends = [*starts[1:], length]
        return [(slice(max(0, a - halo), min(length, b + halo)), slice(a, b)) for a, b in zip(starts, ends)]

    for rows, core_rows in lines(height):
        for columns, core_columns in lines(width):
            yield Tile(rows, columns, core_rows, core_columns, (height, width))


def max_tile_size(memory: int, bytes_per_pixel: int, halo: int) -> int:
    """The largest core, px, whose tile needs no more than ``memory`` bytes; at least four times :data:`GRID`."""
    side = math.isqrt(memory // bytes_per_pixel) - 2 * halo
    return max(side // GRID, 4) * GRID


def available_memory(device: torch.device) -> int | None:
    """Bytes that can be had on a device; None if that cannot be told."""
    if device.type == 'cuda':
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    try:
        with open('/proc/meminfo', encoding='ascii') as file:
            found = [line.split() for line in file if line.startswith('MemAvailable:')]
    except OSError:
        return None
    return 1024 * int(found[0][1]) if found else None
