"""Geometric transforms that change ``img`` and ``gt_img`` in the same way.

They use ``numpy.random``, which mmderain's data sets seed for each item.
"""

from collections.abc import Callable

import numpy as np
from mmcv.transforms import BaseTransform

from mmderain.errors import InputError
from mmderain.registry import TRANSFORMS

PAIR = ('img', 'gt_img')


def apply_to_pair(results: dict, function: Callable[[np.ndarray], np.ndarray]) -> dict:
    """Apply a function to ``img`` and to ``gt_img`` (if it exists), and update ``img_shape``."""
    for key in PAIR:
        if key in results:
            results[key] = np.ascontiguousarray(function(results[key]))
    results['img_shape'] = results['img'].shape[:2]
    return results


@TRANSFORMS.register_module()
class CropPatch(BaseTransform):
    """Crop the patch of an item of ``PairedImageDataset(patches=...)``, and mirror it if ``patch_flip`` is True."""

    def transform(self, results: dict) -> dict:
        """Return the results with cropped images."""
        top, left, size = results['patch']
        step = -1 if results['patch_flip'] else 1
        return apply_to_pair(results, lambda img: img[top : top + size, left : left + size][:, ::step])


@TRANSFORMS.register_module()
class PairedRandomCrop(BaseTransform):
    """Crop a region of fixed size at a random position.

    Args:
        crop_size: height and width in pixels, or one number for both.

    Raises:
        InputError: an image is smaller than the crop. The message contains the path of the image.
    """

    def __init__(self, crop_size: int | tuple[int, int]) -> None:
        self.crop_size = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)

    def transform(self, results: dict) -> dict:
        """Return the results with cropped images."""
        (height, width), (h, w) = results['img'].shape[:2], self.crop_size
        if height < h or width < w:
            raise InputError(
                f'{results.get("img_path", "image")}: {height}x{width} pixels, smaller than the crop of '
                f'{h}x{w}; set a smaller `crop_size`, or leave the image out'
            )
        top, left = np.random.randint(height - h + 1), np.random.randint(width - w + 1)
        return apply_to_pair(results, lambda img: img[top : top + h, left : left + w])

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crop_size={self.crop_size})'


@TRANSFORMS.register_module()
class PairedRandomFlip(BaseTransform):
    """Mirror the images with a given probability.

    Args:
        prob: probability, 0 to 1.
        direction: ``'horizontal'`` exchanges left and right. ``'vertical'`` exchanges top and bottom. The rain then
            seems to fall upwards.

    Raises:
        InputError: ``direction`` is neither ``'horizontal'`` nor ``'vertical'``.
    """

    def __init__(self, prob: float = 0.5, direction: str = 'horizontal') -> None:
        if direction not in ('horizontal', 'vertical'):
            raise InputError(f"direction must be 'horizontal' or 'vertical', found {direction!r}")
        self.prob = prob
        self.direction = direction

    def transform(self, results: dict) -> dict:
        """Return the results with mirrored or unchanged images."""
        if np.random.random() >= self.prob:
            return results
        axis = 1 if self.direction == 'horizontal' else 0
        return apply_to_pair(results, lambda img: np.flip(img, axis))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, direction={self.direction!r})'


@TRANSFORMS.register_module()
class PairedRandomRotate90(BaseTransform):
    """Rotate the images by 0, 90, 180 or 270 degrees with equal probability, as in the code of NASNet's authors."""

    def transform(self, results: dict) -> dict:
        """Return the results with rotated images."""
        turns = np.random.randint(4)
        return apply_to_pair(results, lambda img: np.rot90(img, turns))

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
