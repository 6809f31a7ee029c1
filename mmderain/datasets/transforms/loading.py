"""The transforms that load images."""

from typing import Any

import mmcv.transforms
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio

from mmderain.errors import InputError
from mmderain.io.image import decode_image, decode_image_bytes, read_image
from mmderain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadPairedImages(BaseTransform):
    """Load the rainy image and, if there is one, the clean image.

    Required key: ``img_path``. A pair of two files also requires ``gt_path``, the path of the clean file. If one file
    contains both images, ``clean_half`` is required instead, with the value ``'left'`` or ``'right'``.

    Added keys:

    * ``img``, for a pair also ``gt_img``: BGR (H, W, 3) in 0..255; uint8, or float32 for 16-bit files.
    * ``ori_shape`` and ``img_shape``: (H, W).
    * ``img_bits``, for a pair also ``gt_bits``: number of bits of each channel of the file, 8 or 16.

    Raises:
        FileNotFoundError: a file does not exist.
        InputError: a file is not an image, the two images of a pair differ in size, or a side-by-side file has an odd
            width.
    """

    def transform(self, results: dict) -> dict:
        """Return the results with the loaded images."""
        img, results['img_bits'] = _load(results['img_path'])
        if 'gt_path' in results:
            gt_img, results['gt_bits'] = _load(results['gt_path'])
            if img.shape != gt_img.shape:
                raise InputError(
                    f'{results["img_path"]} is {img.shape[0]}x{img.shape[1]}, but its clean partner '
                    f'{results["gt_path"]} is {gt_img.shape[0]}x{gt_img.shape[1]} (height x width); '
                    'the images of a pair must have the same size'
                )
            results['gt_img'] = gt_img
        elif 'clean_half' in results:
            if img.shape[1] % 2:
                raise InputError(
                    f'{results["img_path"]}: width {img.shape[1]} is odd; expected two halves of equal width'
                )
            left, right = np.split(img, 2, axis=1)
            img, gt_img = (right, left) if results['clean_half'] == 'left' else (left, right)
            img, results['gt_img'] = np.ascontiguousarray(img), np.ascontiguousarray(gt_img)
            results['gt_bits'] = results['img_bits']
        results['img'] = img
        results['ori_shape'] = results['img_shape'] = img.shape[:2]
        return results


def _load(path: str) -> tuple[np.ndarray, int]:
    """Read an image, BGR (H, W, 3) in 0..255, and return it with the number of bits of each channel."""
    decoded = decode_image(path)
    return decoded.to_levels(), 8 * decoded.bgr.dtype.itemsize


@TRANSFORMS.register_module()
class LoadImageFromFile(mmcv.transforms.LoadImageFromFile):
    """Load an image like mmcv's transform of this name, but with the readers of mmderain.

    Use this transform in pipelines of mmdet and mmseg. The image then has the same pixels as in all other parts of
    mmderain. The transform of mmcv ignores the orientation of some formats, and cuts 16-bit values to 8 bits. It also
    reads damaged files without an error.

    Args:
        options: arguments of mmcv's transform. ``color_type`` must be ``'color'``, and ``imdecode_backend`` has no
            effect.

    Raises:
        InputError: ``color_type`` is not ``'color'``. :meth:`transform` also raises this error if an image cannot be
            read.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.color_type != 'color':
            raise InputError(f"mmderain.LoadImageFromFile: color_type must be 'color', found {self.color_type!r}")

    def transform(self, results: dict) -> dict | None:
        """Return the results with ``img``, BGR uint8 (H, W, 3), ``img_shape`` and ``ori_shape``."""
        path = results['img_path']
        try:
            if self.backend_args is None and '://' not in str(path):
                img = read_image(path)  # refuses pipes, devices and too large images before they are read
            else:
                content = fileio.get(path, backend_args=self.backend_args)
                img = decode_image_bytes(content, str(path)).to_uint8()
        except (OSError, InputError):
            if self.ignore_empty:
                return None
            raise
        results['img'] = img.astype(np.float32) if self.to_float32 else img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results
