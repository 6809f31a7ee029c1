"""Transforms that a joint test puts between loading and the rest of a task model's pipeline."""

import time
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io.image import read_image
from mmderain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MedianBlur(BaseTransform):
    """Filter ``img`` by a median, as a control that knows nothing of rain.

    Args:
        size: side of the square window in pixels, odd.
    """

    def __init__(self, size: int = 5) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        """Filter one image."""
        results['img'] = cv2.medianBlur(results['img'], self.size)
        return results


@TRANSFORMS.register_module()
class ReplaceFromFolder(BaseTransform):
    """Replace ``img`` by the image of the same name in another folder, which any program may have derained.

    Args:
        folder: folder with the layout of ``data_root``, or with all images in it directly. Suffixes may differ.
        data_root: folder of the task's data set.

    Raises:
        InputError: when called: there is no such image, or it has another size.
    """

    def __init__(self, folder: str, data_root: str) -> None:
        self.folder = Path(folder)
        self.data_root = Path(data_root)

    def transform(self, results: dict) -> dict:
        """Replace one image."""
        relative = Path(results['img_path']).absolute().relative_to(self.data_root.absolute())
        for parts in (relative.parts, relative.parts[-1:]):  # the same layout, or all in one folder
            found = sorted(self.folder.joinpath(*parts).parent.glob(f'{relative.stem}.*'))
            if found:
                break
        else:
            raise InputError(f'{self.folder}: no image {relative.stem}.* for {relative}')
        img = read_image(found[0])
        if img.shape != results['img'].shape:
            raise InputError(f'{found[0]} is {img.shape[:2]}, the original {results["img"].shape[:2]} (height, width)')
        results['img'] = img
        return results


@TRANSFORMS.register_module()
class MeasuredSteps(BaseTransform):
    """Run transforms on an image as loaded, and measure at native resolution what they do to it.

    Args:
        steps: configs of the transforms.
        timed: index of the step whose time is measured; None measures none.

    Attributes:
        keep: indices, in the order of the calls, of the images to put into ``kept``.
        kept: index -> (``img_path``, result of the steps as (H, W, 3) BGR uint8).
        psnr: PSNR-Y of each image against the image as loaded, dB; infinite where nothing changed.
        ssim: SSIM-Y(valid) of each image against the image as loaded.
        milliseconds: time of the timed step for each image; empty without one.
    """

    def __init__(self, steps: list[dict], timed: int | None = None) -> None:
        self.steps = [TRANSFORMS.build(step) for step in steps]
        self.timed = timed
        self.keep: frozenset[int] = frozenset()
        self.kept: dict[int, tuple[str, np.ndarray]] = {}
        self.psnr: list[float] = []
        self.ssim: list[float] = []
        self.milliseconds: list[float] = []

    def transform(self, results: dict) -> dict:
        """Run the steps on one image and measure them."""
        loaded = results['img'].astype(np.uint8)  # a copy, because a step may change the image in place
        for index, step in enumerate(self.steps):
            start = time.perf_counter()
            results = step(results)
            if index == self.timed:
                self.milliseconds.append(1000 * (time.perf_counter() - start))
        path, img = str(results['img_path']), results['img'].astype(np.uint8)
        if len(self.psnr) in self.keep:
            self.kept[len(self.psnr)] = path, img
        self.psnr.append(measure(img, loaded, 'PSNR-Y', name=path))
        self.ssim.append(measure(img, loaded, 'SSIM-Y(valid)', name=path))
        return results
