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
from mmderain.io.naming import Naming


def shrink_photographs(
    src: Sequence[Path],
    dst: Path,
    side: int = 400,
    quarters: bool = True,
    without: Collection[str] = (),
    only: Collection[str] = (),
    keep_suffix: bool = False,
) -> list[str]:
    """Shrink photographs to a shorter side of at most ``side`` pixels, and write them to a folder.

    Args:
        src: image files and folders of image files.
        dst: folder to write. It must be new or empty. It is written completely or not at all.
        side: the shorter side of a written image has at most this length in pixels.
        quarters: whether to write also the quarters of large photographs.
        without: photographs to leave out, named by their file names without suffix.
        only: photographs to use, named by their file names without suffix. An empty collection uses all photographs.
        keep_suffix: True writes ``a.gif`` as ``a.gif.png``. False writes it as ``a.png``, and is an error if there is
            another photograph of this name.

    Returns:
        One line with the number of written images, the number of photographs, and the files that were passed over, and
        one line for each photograph that cannot be read.

    Raises:
        FileNotFoundError, InputError: an argument is not as expected, two photographs would be written to the same
            file, or no photograph can be read. In these cases, nothing is written.
    """
    if side < 1:
        raise InputError(f'--side must be at least 1 px, found {side}')
    require_new_folder(dst)
    skipped: Counter[str] = Counter()
    problems: list[str] = []
    names = Naming(keep_suffix=keep_suffix)
    photographs = _find_photographs(src, side, quarters, without, only, names, skipped)
    number = 0
    with atomic_folder(dst) as part:
        for path in track(photographs, 'shrinking', transient=True):
            try:
                img = read_image(path)
            except (OSError, InputError) as error:
                problems.append(f'left out, {error}')
                continue
            for suffix, region in _regions(img.shape[:2], side, quarters).items():
                write_image(_shrink(img[region], side), part / _result(path, suffix, names))
            number += 1
        if not number:
            raise InputError(f'{dst}: not written, because no photograph can be read; {problems[0]}')
        written = len(list(part.iterdir()))
    return [with_skipped(f'{dst}: {written} images of {number} photographs', skipped), *problems]


def _find_photographs(
    src: Sequence[Path],
    side: int,
    quarters: bool,
    without: Collection[str],
    only: Collection[str],
    names: Naming,
    skipped: Counter[str],
) -> list[Path]:
    """Return the photographs to write, and count the other files."""
    found: set[str] = set()
    kept: list[Path] = []
    taken: dict[str, Path] = {}
    for entry in src:
        files = [entry / name for name in list_images(entry, skipped=skipped)] if entry.is_dir() else [entry]
        if not entry.exists():
            raise FileNotFoundError(f'{entry}: no such image or folder; give image files or folders of images')
        if not files:
            raise InputError(with_skipped(f'{entry}: no image in this folder', skipped))
        found |= {path.stem for path in files}
        for path in files:
            if path.stem in without or (only and path.stem not in only):
                continue
            kept.append(path)
            try:
                size = image_size(path)
            except (OSError, InputError):  # read_image raises the same error
                continue
            for result in (_result(path, suffix, names) for suffix in _regions(size, side, quarters)):
                if result in taken:
                    raise names.collision(path, taken[result], result, 'rename one of them')
                taken[result] = path
    for option, wanted in (('--without', without), ('--only', only)):
        if missing := sorted(set(wanted) - found):
            raise InputError(f'{option} {" ".join(missing)}: no photograph has this name; leave out the suffix')
    if not kept:
        raise InputError(f'--without {" ".join(without)}: leaves no image; leave out fewer photographs')
    return kept


def _result(path: Path, suffix: str, names: Naming) -> str:
    """Return the name of a written image. ``suffix`` is a key of :func:`_regions`."""
    return names.png_result(path.name)[: -len('.png')] + f'{suffix}.png'


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
