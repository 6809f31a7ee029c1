"""Read and write numbered images, such as ``frames/%05d.png``, as the frames of a video."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mmderain.errors import InputError

from ..decoded_image import to_8_bits
from ..image import IMAGE_SUFFIXES, decode_image, write_image
from ..image_header import MAX_PIXELS
from .frame import Frame

_NUMBER = re.compile(r'%(0\d+)?d')


def is_pattern(path: str | Path) -> bool:
    """Return whether the name of a path contains a number such as ``%05d``, and ends in the suffix of an image.

    The name of an existing file is not a pattern.
    """
    path = Path(path)
    is_numbered = path.suffix.lower() in IMAGE_SUFFIXES and _NUMBER.search(path.name) is not None
    return is_numbered and not os.path.isfile(path)


def require_pattern(path: str | Path) -> Path:
    """Return a path, after checking that it is a pattern with one number, such as ``frames/%05d.png``."""
    path = Path(path)
    if not is_pattern(path) or path.name.count('%') != 1:
        raise InputError(f'{path}: expected the name of an image with one number, such as frames/%05d.png')
    return path


def list_sequence(pattern: str | Path) -> dict[int, Path]:
    """Return a dict that maps the numbers in the file names to the files, sorted by the numbers.

    Raises:
        InputError: no file matches the pattern.
    """
    pattern = require_pattern(pattern)
    before, _, after = pattern.name.partition(_NUMBER.search(pattern.name)[0])  # type: ignore[index]
    name = re.compile(f'{re.escape(before)}([0-9]+){re.escape(after)}')
    folder = pattern.parent
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        match = name.fullmatch(path.name)
        if match and path.name == pattern.name % int(match[1]):
            found[int(match[1])] = path
    if not found:
        raise InputError(f'{pattern}: no file has such a name')
    return dict(sorted(found.items()))


class SequenceReader:
    """Iterate over numbered images as frames. The time of a frame is its number.

    Args:
        pattern: path with one number, such as ``frames/%05d.png``.
        max_pixels: largest number of pixels of an image.

    Attributes:
        has_alpha: whether an image that was read up to now has transparent pixels.
    """

    def __init__(self, pattern: str | Path, max_pixels: int = MAX_PIXELS) -> None:
        self.files = list_sequence(pattern)
        self._max_pixels = max_pixels
        self.has_alpha = False

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[Frame]:
        first: tuple[Path, np.ndarray] | None = None
        for number, path in self.files.items():
            image = decode_image(path, self._max_pixels)
            if image.alpha is not None:
                self.has_alpha = self.has_alpha or bool(to_8_bits(image.alpha).min() < 255)
            if first is None:
                first = path, image.bgr
            elif image.bgr.shape != first[1].shape or image.bgr.dtype != first[1].dtype:
                found, expected = (f'{a.shape[1]}x{a.shape[0]} pixels of {a.dtype}' for a in (image.bgr, first[1]))
                raise InputError(f'{path}: has {found}; expected {expected} as in {first[0]}')
            yield Frame(number, cv2.cvtColor(image.bgr, cv2.COLOR_BGR2RGB))


def write_numbered(frame: Frame, number: int, pattern: Path) -> None:
    """Write a frame as an image.

    Args:
        frame: the frame. Its image is RGB.
        number: number in the name of the file.
        pattern: path with one number. Images of 16 bits require .png or .tif.
    """
    image = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    if image.dtype == np.uint16 and pattern.suffix.lower() not in ('.png', '.tif', '.tiff'):
        raise InputError(f'{pattern}: cannot hold 16 bits per value; use .png, or --bit-depth 8')
    write_image(image, pattern.with_name(pattern.name % number))
