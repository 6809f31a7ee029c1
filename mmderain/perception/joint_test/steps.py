"""Transforms that a joint test inserts into the pipeline of a task model, directly after the image is loaded."""

import glob
import os
import time
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io.image import read_image
from mmderain.io.image_formats import readable_suffixes
from mmderain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MedianBlur(BaseTransform):
    """Apply a median filter to ``img``.

    A joint test uses this filter as a control, because the filter was not designed for rain.

    Args:
        size: side of the square window in pixels, an odd number. Default: 5.
    """

    def __init__(self, size: int = 5) -> None:
        self.size = size

    def transform(self, results: dict) -> dict:
        """Filter one image."""
        results['img'] = cv2.medianBlur(results['img'], self.size)
        return results


@TRANSFORMS.register_module()
class ReplaceFromFolder(BaseTransform):
    """Replace ``img`` by an image from another folder, for example by an image that another program has derained.

    Args:
        folder: the other folder. Its images have the same names as in the data set, but the suffixes may differ, or be
            appended as ``mmderain derain --keep-suffix`` does. The folder has the same sub-folders as ``data_root``, or
            it contains all images directly.
        data_root: folder of the data set that is tested.
    """

    def __init__(self, folder: str, data_root: str) -> None:
        self.folder = Path(folder)
        self.data_root = Path(data_root)

    def transform(self, results: dict) -> dict:
        """Replace one image.

        Raises:
            InputError: the folder has no image of this name, several images of this name, or an image of another size.
        """
        path = self._find(Path(results['img_path']).absolute())
        img = read_image(path)
        if img.shape != results['img'].shape:
            raise InputError(
                f'{path}: has (height, width) {img.shape[:2]}, but the image of the data set has '
                f'{results["img"].shape[:2]}; both images must have the same size'
            )
        results['img'] = img
        return results

    def _find(self, img_path: Path) -> Path:
        """Return the image of the folder for an image of the data set, whose path is absolute."""
        relative = img_path.relative_to(self.data_root.absolute())
        for parts in (relative.parts, relative.parts[-1:]):  # first with sub-folders, then without
            same = self.folder.joinpath(*parts)
            for path in (same, same.with_name(f'{same.name}.png')):  # the second name is that of --keep-suffix
                if os.path.isfile(path):  # unlike is_file(), it accepts names that are too long
                    return path
            others = [
                path for path in sorted(same.parent.glob(f'{glob.escape(same.stem)}.*')) if self._fits(path, img_path)
            ]
            if len(others) > 1:
                raise InputError(f'{others[0]} and {others[1]}: both have the name of {relative}; remove one of them')
            if others:
                return others[0]
        raise InputError(f'{self.folder}: found no image {relative.stem}.* for the image {relative} of the data set')

    @staticmethod
    def _fits(path: Path, img_path: Path) -> bool:
        """Return whether a file is an image with the same name except for the suffix, and not that of another image."""
        is_image = path.stem == img_path.stem and path.suffix.lower() in readable_suffixes()
        return is_image and not img_path.with_name(path.name).exists()


@TRANSFORMS.register_module()
class MeasuredSteps(BaseTransform):
    """Run transforms on a loaded image, and measure PSNR and SSIM of the result against the loaded image.

    Args:
        steps: configs of the transforms.
        timed: index of the step whose run time is measured. None measures no run time.

    Attributes:
        keep: indices of the images to store in ``kept``. The first image that the transform processes has the index 0.
        kept: maps the index of each stored image to its ``img_path`` and the result of the steps, (H, W, 3) BGR uint8.
        psnr: PSNR-Y of each image against the loaded image, in dB. Infinite if the steps did not change the image.
        ssim: SSIM-Y(valid) of each image against the loaded image.
        milliseconds: run time of the timed step for each image. Empty if no step is timed.
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
