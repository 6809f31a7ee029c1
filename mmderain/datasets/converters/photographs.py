"""Shrink rain-free photographs for training under synthetic rain.

Each photograph is shrunk to about the size of the images of the benchmarks, whose streaks are a few pixels wide, and
written as DST/<name>.png. One of at least twice that size is also cut into quarters, which are shrunk in the same way
and hold detail that the whole loses: DST/<name>_00.png (top left) to <name>_11.png. A config reads the folder with
train_dataloader.dataset.data_root=DST.
"""

import itertools
from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mmderain.errors import InputError
from mmderain.io.files import atomic_folder
from mmderain.io.image import image_size, list_images, read_image, write_image


def shrink_photographs(
    src: Sequence[Path],
    dst: Path,
    side: int = 400,
    quarters: bool = True,
    without: Collection[str] = (),
    only: Collection[str] = (),
) -> str:
    """Write photographs with a shorter side of at most ``side``.

    Args:
        src: images, and folders of them.
        dst: folder to write, new or empty; it appears completely or not at all.
        side: length of the shorter side, px.
        quarters: whether to write quarters as well.
        without: names without suffix that are left out.
        only: names without suffix to take; empty takes all.

    Returns:
        One line with the numbers of images and photographs.

    Raises:
        FileNotFoundError, InputError: an argument is not as expected, or an image cannot be read. Nothing is written
            then.
    """
    if side < 1:
        raise InputError(f'--side must be at least 1 px, found {side}')
    if dst.exists() and (not dst.is_dir() or any(dst.iterdir())):
        raise InputError(f'{dst}: already exists; name another folder, or remove it')
    photographs, number = _find_photographs(src, side, quarters, without, only), 0
    with atomic_folder(dst) as part:
        for name, path in track(photographs.items(), 'shrinking', transient=True):
            img = read_image(path)
            for suffix, region in _regions(img.shape[:2], side, quarters).items():
                write_image(_shrink(img[region], side), part / f'{name}{suffix}.png')
                number += 1
    return f'{dst}: {number} images of {len(photographs)} photographs'


def _find_photographs(
    src: Sequence[Path], side: int, quarters: bool, without: Collection[str], only: Collection[str]
) -> dict[str, Path]:
    """Return the photographs to write, keyed by their names without suffix."""
    found: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for entry in src:
        files = [entry / name for name in list_images(entry)] if entry.is_dir() else [entry]
        if not entry.exists():
            raise FileNotFoundError(f'{entry}: no such image or folder')
        if not files:
            raise InputError(f'{entry}: no image in this folder')
        for path in files:
            if path.stem not in without and (not only or path.stem in only):
                for suffix in _regions(image_size(path), side, quarters):
                    name = path.stem + suffix
                    if name in taken:
                        raise InputError(f'{path} and {taken[name]}: both would be written as {name}.png; rename one')
                    taken[name] = path
            found[path.stem] = path
    for option, names in (('--without', without), ('--only', only)):
        missing = sorted(set(names) - set(found))
        if missing:
            raise InputError(f'{option} {" ".join(missing)}: no photograph has this name')
    kept = {name: path for name, path in found.items() if path in taken.values()}
    if not kept:
        raise InputError(f'--without {" ".join(without)}: leaves no image')
    return kept


def _regions(size: tuple[int, int], side: int, quarters: bool) -> dict[str, tuple[slice, slice]]:
    """Return the suffix of the name -> rows and columns, for the whole and for the quarters of a large photograph."""
    found = {'': (slice(None), slice(None))}
    if quarters and min(size) >= 2 * side:
        halves = [(slice(length // 2), slice(length // 2, length)) for length in size]
        for row, column in itertools.product(range(2), repeat=2):
            found[f'_{row}{column}'] = halves[0][row], halves[1][column]
    return found


def _shrink(img: np.ndarray, side: int) -> np.ndarray:
    """Shrink (H, W, 3) to a shorter side of ``side`` by averaging; a smaller image is returned as it is."""
    factor = side / min(img.shape[:2])
    if factor >= 1:
        return img
    height, width = (round(length * factor) for length in img.shape[:2])
    return cv2.resize(img, (width, height), interpolation=cv2.INTER_AREA)
