"""What a joint evaluation puts between loading and the rest of a task model's pipeline."""

import time
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io.image import read_image
from mmderain.registry import TRANSFORMS

FIGURES = ('PSNR-Y', 'SSIM-Y(valid)')


@TRANSFORMS.register_module()
class MedianBlur(BaseTransform):
    """A control that knows nothing of rain: a median filter over ``img``.

    Args:
        size: side of the window, px, odd.
    """

    def __init__(self, size: int = 5) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        results['img'] = cv2.medianBlur(results['img'], self.size)
        return results


@TRANSFORMS.register_module()
class ReplaceFromFolder(BaseTransform):
    """Take ``img`` from another folder: pictures that any program has derained, under the name of the original.

    Args:
        folder: with the layout of ``data_root``; suffixes may differ.
        data_root: of the task's data set.

    Raises:
        InputError: there is no such picture, or it differs in size.
    """

    def __init__(self, folder: str, data_root: str) -> None:
        self.folder = Path(folder)
        self.data_root = Path(data_root)

    def transform(self, results: dict) -> dict:
        relative = Path(results['img_path']).absolute().relative_to(self.data_root.absolute())
        for parts in (relative.parts, relative.parts[-1:]):  # the same layout, or all in one folder
            found = sorted(self.folder.joinpath(*parts).parent.glob(f'{relative.stem}.*'))
            if found:
                break
        else:
            raise InputError(f'{self.folder}: no picture {relative.stem}.* for {relative}')
        img = read_image(found[0])
        if img.shape != results['img'].shape:
            raise InputError(f'{found[0]} is {img.shape[:2]}, the original {results["img"].shape[:2]} (height, width)')
        results['img'] = img
        return results


@TRANSFORMS.register_module()
class MeasuredSteps(BaseTransform):
    """Run transforms on a picture as loaded, and note what they do to it at native resolution.

    Attributes:
        records: one dict a picture: ``img_path``, ``milliseconds`` of the timed step, and :data:`FIGURES` against the
            picture as it was loaded (infinite PSNR where nothing changed).
        keep: numbers of pictures, as they come, whose result is put into ``kept``: number -> (img_path, BGR uint8).

    Args:
        steps: configs of transforms.
        timed: the number of the step whose time counts; None times nothing.
    """

    def __init__(self, steps: list[dict], timed: int | None = None) -> None:
        self.steps = [TRANSFORMS.build(step) for step in steps]
        self.timed = timed
        self.keep: frozenset[int] = frozenset()
        self.kept: dict[int, tuple[str, np.ndarray]] = {}
        self.records: list[dict] = []

    def transform(self, results: dict) -> dict:
        clean = results['img'].copy()
        milliseconds = None
        for number, step in enumerate(self.steps):
            start = time.perf_counter()
            results = step(results)
            if number == self.timed:
                milliseconds = 1000 * (time.perf_counter() - start)
        path, img = str(results['img_path']), results['img']
        figures = {p: measure(img.astype(np.uint8), clean.astype(np.uint8), p, name=path) for p in FIGURES}
        if len(self.records) in self.keep:
            self.kept[len(self.records)] = path, img.astype(np.uint8)
        self.records.append(dict(img_path=path, milliseconds=milliseconds, **figures))
        return results
