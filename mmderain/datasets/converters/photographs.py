"""Shrink rain-free photographs for training with synthetic rain.

Each photograph is shrunk to about the size of the images in the deraining benchmarks, in which rain streaks are a few
pixels wide. The result is written to DST/<name>.png. A photograph of at least twice this size is also cut into
quarters. The quarters are shrunk in the same way, and written to DST/<name>_00.png (top left) to DST/<name>_11.png
(bottom right). The quarters keep details that the shrunk whole photograph loses. To train a model on the folder DST,
set train_dataloader.dataset.data_root=DST.
"""

import itertools
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mmderain.errors import InputError
from mmderain.io.files import atomic_folder, require_new_folder
from mmderain.io.folders import with_skipped
from mmderain.io.image import image_size, list_images, read_image, write_image


def shrink_photographs(
    src: Sequence[Path],
    dst: Path,
    side: int = 400,
    quarters: bool = True,
    without: Collection[str] = (),
    only: Collection[str] = (),
) -> str:
    """Shrink photographs to a shorter side of at most ``side`` pixels, and write them to a folder.

    Args:
        src: image files and folders of image files.
        dst: folder to write. It must be new or empty. It is written completely or not at all.
        side: the shorter side of a written image has at most this length in pixels.
        quarters: whether to write also the quarters of large photographs.
        without: photographs to leave out, named by their file names without suffix.
        only: photographs to use, named by their file names without suffix. An empty collection uses all photographs.

    Returns:
        One line with the number of written images, the number of photographs, and the files that were passed over.

    Raises:
        FileNotFoundError, InputError: an argument is not as expected, or an image cannot be read. In this case, nothing
            is written.
    """
    if side < 1:
        raise InputError(f'--side must be at least 1 px, found {side}')
    require_new_folder(dst)
    skipped: Counter[str] = Counter()
    photographs, number = _find_photographs(src, side, quarters, without, only, skipped), 0
    with atomic_folder(dst) as part:
        for name, path in track(photographs.items(), 'shrinking', transient=True):
            img = read_image(path)
            for suffix, region in _regions(img.shape[:2], side, quarters).items():
                write_image(_shrink(img[region], side), part / f'{name}{suffix}.png')
                number += 1
    return with_skipped(f'{dst}: {number} images of {len(photographs)} photographs', skipped)


def _find_photographs(
    src: Sequence[Path],
    side: int,
    quarters: bool,
    without: Collection[str],
    only: Collection[str],
    skipped: Counter[str],
) -> dict[str, Path]:
    """Return the photographs to write, keyed by their file names without suffix. Count the other files."""
    found: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for entry in src:
        files = [entry / name for name in list_images(entry, skipped=skipped)] if entry.is_dir() else [entry]
        if not entry.exists():
            raise FileNotFoundError(f'{entry}: no such image or folder; give image files or folders of images')
        if not files:
            raise InputError(with_skipped(f'{entry}: no image in this folder', skipped))
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
            raise InputError(f'{option} {" ".join(missing)}: no photograph has this name; leave out the suffix')
    kept = {name: path for name, path in found.items() if path in taken.values()}
    if not kept:
        raise InputError(f'--without {" ".join(without)}: leaves no image; leave out fewer photographs')
    return kept


def _regions(size: tuple[int, int], side: int, quarters: bool) -> dict[str, tuple[slice, slice]]:
    """Return the regions of a photograph: the whole photograph and, if it is large, its four quarters.

    Returns:
        A dict that maps a name suffix, such as ``_01``, to the rows and columns of the region.
    """
    found = {'': (slice(None), slice(None))}
    if quarters and min(size) >= 2 * side:
        halves = [(slice(length // 2), slice(length // 2, length)) for length in size]
        for row, column in itertools.product(range(2), repeat=2):
            found[f'_{row}{column}'] = halves[0][row], halves[1][column]
    return found


def _shrink(img: np.ndarray, side: int) -> np.ndarray:
    """Shrink an image (H, W, 3) by averaging, so that its shorter side is ``side``. Small images are not changed."""
    factor = side / min(img.shape[:2])
    if factor >= 1:
        return img
    height, width = (round(length * factor) for length in img.shape[:2])
    return cv2.resize(img, (width, height), interpolation=cv2.INTER_AREA)
