"""Geometric transforms that do the same to ``img`` and ``gt_img``.

They draw from ``numpy.random``, which mmderain's data sets seed for each item.
"""

from collections.abc import Callable

import numpy as np
from mmcv.transforms import BaseTransform

from mmderain.errors import InputError
from mmderain.registry import TRANSFORMS

PAIR = ('img', 'gt_img')


def apply_to_pair(results: dict, function: Callable[[np.ndarray], np.ndarray]) -> dict:
    """Replace whichever of the two pictures are there, and note the new size."""
    for key in PAIR:
        if key in results:
            results[key] = np.ascontiguousarray(function(results[key]))
    results['img_shape'] = results['img'].shape[:2]
    return results


@TRANSFORMS.register_module()
class CropPatch(BaseTransform):
    """Cut out the patch that ``PairedImageDataset(patches=...)`` chose, mirrored if it says so."""

    def transform(self, results: dict) -> dict:
        top, left, size = results['patch']
        step = -1 if results['patch_flip'] else 1
        return apply_to_pair(results, lambda img: img[top : top + size, left : left + size][:, ::step])


@TRANSFORMS.register_module()
class PairedRandomCrop(BaseTransform):
    """Cut out a random part.

    Args:
        crop_size: height and width, or one number for both, px.

    Raises:
        InputError: naming the picture, if it is smaller.
    """

    def __init__(self, crop_size: int | tuple[int, int]) -> None:
        self.crop_size = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)

    def transform(self, results: dict) -> dict:
        (height, width), (h, w) = results['img'].shape[:2], self.crop_size
        if height < h or width < w:
            raise InputError(
                f'{results.get("img_path", "picture")}: {height}x{width} pixels, smaller than the crop of '
                f'{h}x{w}; set a smaller `crop_size`, or leave the picture out'
            )
        top, left = np.random.randint(height - h + 1), np.random.randint(width - w + 1)
        return apply_to_pair(results, lambda img: img[top : top + h, left : left + w])

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crop_size={self.crop_size})'


@TRANSFORMS.register_module()
class PairedRandomFlip(BaseTransform):
    """Mirror with a probability.

    Args:
        prob: probability, 0 to 1.
        direction: ``'horizontal'`` or ``'vertical'`` (rain then rises: few want that).
    """

    def __init__(self, prob: float = 0.5, direction: str = 'horizontal') -> None:
        if direction not in ('horizontal', 'vertical'):
            raise InputError(f"direction must be 'horizontal' or 'vertical', found {direction!r}")
        self.prob = prob
        self.direction = direction

    def transform(self, results: dict) -> dict:
        if np.random.random() >= self.prob:
            return results
        axis = 1 if self.direction == 'horizontal' else 0
        return apply_to_pair(results, lambda img: np.flip(img, axis))

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, direction={self.direction!r})'


@TRANSFORMS.register_module()
class PairedRandomRotate90(BaseTransform):
    """Rotate by 0, 90, 180 or 270 degrees, each as likely (NASNet's augmentation)."""

    def transform(self, results: dict) -> dict:
        turns = np.random.randint(4)
        return apply_to_pair(results, lambda img: np.rot90(img, turns))

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
