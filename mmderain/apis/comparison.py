"""A picture before and after a derainer, measured and looked at: what the page of ``mmderain web`` shows."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.image import image_size
from mmderain.rain import draw_rain

from .inferencer import DerainInferencer
from .pictures import read_picture
from .scene import eight_bits
from .task import TaskInferencer

PROTOCOLS = ('PSNR-Y', 'SSIM-Y(valid)')
#: Of an upload. More would keep the page waiting for minutes; ``mmderain derain`` takes any size.
MAX_PIXELS = 16_000_000


@dataclass(frozen=True)
class Comparison:
    """A picture before and after. Pictures are BGR uint8 (H, W, 3).

    Attributes:
        rainy, derained: what the derainer was given, and what it made of it.
        layer: ``rainy - derained`` around mid-grey: 128 is nothing, brighter was removed, darker was added.
        figures: protocol -> its value of ``rainy`` and of ``derained``; empty if no clean picture is known.
        found: of ``rainy`` and of ``derained`` the picture with what the task model found, and its caption; empty
            without a task model.
    """

    rainy: np.ndarray
    derained: np.ndarray
    layer: np.ndarray
    figures: dict[str, tuple[float, float]]
    found: list[tuple[np.ndarray, str]]


def compare(
    img: np.ndarray,
    derainer: DerainInferencer,
    rain: str = '',
    seed: int = 0,
    clean: np.ndarray | None = None,
    task: TaskInferencer | None = None,
) -> Comparison:
    """Derain a picture and look at it before and after.

    Args:
        img: BGR uint8 (H, W, 3); with ``rain`` the clean picture that the rain is drawn over.
        rain: as :func:`mmderain.rain.synthesis.parse_rain`; empty draws none.
        seed: of the rain, from 0.
        clean: the clean picture of a rainy ``img``, if there is one.
        task: what looks at both.

    Raises:
        InputError: both ``rain`` and ``clean`` are given, ``clean`` has another size, or the picture is too small to be
            measured.
    """
    if rain and clean is not None:
        raise InputError('Rain is drawn over a clean picture: take the second picture away, or draw no rain.')
    if clean is not None and clean.shape != img.shape:
        sizes = ['{1}x{0}'.format(*array.shape) for array in (clean, img)]
        raise InputError('The clean picture has {} pixels, the rainy one {}: they must be of one size.'.format(*sizes))
    rainy, clean = (draw_rain(img, rain, seed).rainy, img) if rain else (img, clean)
    (derained,) = derainer(rainy).predictions
    both = rainy, derained
    figures = {} if clean is None else {name: tuple(measure(one, clean, name) for one in both) for name in PROTOCOLS}
    found = []
    for one in both if task else ():
        seen = task(one)
        found.append((task.draw(one, seen), task.caption(seen)))
    return Comparison(rainy, derained, cv2.addWeighted(rainy, 1, derained, -1, 128), figures, found)


def read_upload(path: str | Path) -> np.ndarray:
    """A picture that somebody sent, BGR uint8 (H, W, 3): 16 bits become 8, grey becomes colour, alpha is dropped.

    Raises:
        InputError: it is no picture, a damaged one, too large, or of a kind that :func:`read_picture` refuses; in a
            sentence that names the file without its folder.
    """
    try:
        height, width = image_size(path)
        if height * width > MAX_PIXELS:
            raise InputError(
                f'{path}: has {width}x{height} pixels, this page takes up to {MAX_PIXELS / 1e6:g} million. Make it '
                'smaller, or use `mmderain derain`.'
            )
        image_size(path, decode=True)  # OpenCV fills what is missing with grey
        return np.ascontiguousarray(eight_bits(read_picture(path)))
    except InputError as error:
        raise InputError(str(error).replace(str(path), Path(path).name)) from None
