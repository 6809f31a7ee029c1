"""Find the training pairs whose clean image is also in a test set."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmderain.errors import InputError
from mmderain.io.folders import with_skipped
from mmderain.io.image import list_images, read_image

from ..releases import RELEASES
from .finding import Found, FoundPair
from .layout import INDEX, read_index


class Comparison(NamedTuple):
    """Result of :func:`compare_backgrounds`.

    Attributes:
        shared: maps the name of each test set to the number of training pairs whose clean image it contains.
        kept: one value for each training pair: True if no test set contains the clean image of the pair.
    """

    shared: dict[str, int]
    kept: list[bool]


def require_clean_files(name: str) -> None:
    """Check that the clean training images of a release are separate files. Only separate files can be compared.

    Args:
        name: a key of ``RELEASES``.

    Raises:
        InputError: the release has no training split, or each file contains both images of a pair.
    """
    train = RELEASES[name].splits.get('train')
    if train is None:
        raise InputError(f'--test-sets: {name} has no training images; omit the option')
    if train.gt is None:
        raise InputError(
            f'--test-sets: each file of {name} contains both images of a pair, but only separate clean files can be '
            'compared; omit the option'
        )


def own_test_sets(name: str, found: Found) -> dict[str, list[Path]]:
    """Return the clean images of the test sets of a release, keyed by the names of the test sets.

    Args:
        name: a key of ``RELEASES``.
        found: the pairs of the release.
    """
    sets = defaultdict(list)
    for pair in found.pairs.get('test', []):
        if pair.gt is not None:
            sets[f'{name} {pair.fields.get("set", "test set")}'].append(pair.gt)
    return dict(sets)


def read_test_set(folder: Path, skipped: Counter[str] | None = None) -> list[Path]:
    """Return the clean images of a test set.

    Args:
        folder: a prepared data set (see :func:`~mmderain.datasets.preparation.write_layout`), or any folder of clean
            images. In a prepared data set, only the test split is used.
        skipped: counts the files that are not images, in the folders of clean images; or None.

    Raises:
        FileNotFoundError: the folder does not exist.
        InputError: the folder contains no clean image, or its ``index.csv`` is not as expected.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f'--test-sets: {folder}: no such folder; name a prepared data set or a folder of clean images'
        )
    if (folder / INDEX).is_file():
        rows = read_index(folder / INDEX)
        clean = {row['gt'] for row in rows if row['split'] == 'test' and row['gt']}
        if not clean:
            raise InputError(
                f'--test-sets: {folder / INDEX} lists no clean file of a test split; name a folder of clean images'
            )
        return [folder / path for path in sorted(clean)]
    skipped = Counter() if skipped is None else skipped
    images = list_images(folder, skipped=skipped)
    if not images:
        text = with_skipped('no image', skipped)
        raise InputError(f'--test-sets: {folder}: {text}; name a prepared data set or a folder of clean images')
    return [folder / path for path in images]


def compare_backgrounds(
    pairs: list[FoundPair], test_sets: dict[str, list[Path]], progress: Callable = lambda hashes, total: hashes
) -> Comparison:
    """Find the training pairs whose clean image is equal to a clean image of a test set, pixel by pixel.

    The file formats may differ. If a copy of an image was cropped, scaled or compressed again, it is not found.

    Args:
        pairs: training pairs with clean files.
        test_sets: clean images, keyed by the names of the test sets.
        progress: function that shows the progress. Its arguments are an iterable and the number of its items. It yields
            the items, for example with a progress bar.
    """
    clean = [pair.gt for pair in pairs]
    paths = list(set(clean).union(*test_sets.values()))
    with ThreadPoolExecutor() as pool:
        hashes = dict(zip(paths, progress(pool.map(_hash_pixels, paths), len(paths)), strict=True))
    digests = [hashes[path] for path in clean]
    known = {name: {hashes[path] for path in files} for name, files in test_sets.items()}
    all_known = set().union(*known.values())
    shared = {name: sum(digest in found for digest in digests) for name, found in known.items()}
    return Comparison(shared, [digest not in all_known for digest in digests])


def _hash_pixels(path: Path) -> bytes:
    """Return a hash of the size and the pixels of an image. The hash does not depend on the file format."""
    pixels = read_image(path)
    return hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).digest()
