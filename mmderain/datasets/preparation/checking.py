"""Check the files of a data set: find damaged images, and pairs whose two images differ in size."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mmderain.errors import InputError
from mmderain.io.image import image_size

from .finding import Found, FoundPair


def check_files(found: Found, progress: Callable = iter, workers: int | None = None) -> None:
    """Move pairs that cannot be used from ``found.pairs`` to ``found.flawed``.

    A pair cannot be used if a file is damaged, if the two images differ in size, or if a side-by-side file has an odd
    width.

    Args:
        found: result of :func:`~mmderain.datasets.preparation.find_pairs`. This function changes it.
        progress: function that takes an iterable and yields its items, for example with a progress bar.
        workers: number of threads. None uses one thread for each CPU core.
    """
    pairs = [(split, pair) for split, pairs in found.pairs.items() for pair in pairs]
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        flaws = list(progress(pool.map(lambda item: flaw_of(item[1]), pairs)))
    sound: dict[str, list[FoundPair]] = {split: [] for split in found.pairs}
    for (split, pair), flaw in zip(pairs, flaws, strict=True):
        if flaw:
            found.flawed.append((pair.img, flaw.removeprefix(f'{pair.img}: ')))
        else:
            sound[split].append(pair)
    found.pairs = sound


def flaw_of(pair: FoundPair) -> str:
    """Decode the files of a pair, and return a description of the first problem, or '' if there is no problem."""
    try:
        height, width = image_size(pair.img, decode=True)
        if pair.gt is None:
            return f'width {width} is odd; expected two halves of equal width' if width % 2 else ''
        gt_height, gt_width = image_size(pair.gt, decode=True)
    except (OSError, InputError) as error:
        return str(error)
    if (height, width) == (gt_height, gt_width):
        return ''
    return f'{height}x{width} pixels, but its clean partner {pair.gt} has {gt_height}x{gt_width}'
