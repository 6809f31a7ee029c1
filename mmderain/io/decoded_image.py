"""DecodedImage, the pixels of an image file with its bit depth, its number of channels and its alpha channel."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from mmderain.errors import InputError

#: Luma weights of R, G and B (ITU-R BT.601), as in JPEG and OpenCV.
_GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


def array_problem(array: object) -> str | None:
    """Return the reason why an object is not an image, or None.

    An image is a plain NumPy array, uint8 or uint16; (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA. The byte order
    of uint16 is that of the machine, see :func:`native`.
    """
    if not isinstance(array, np.ndarray):
        return f'found {array!r:.40} of type {type(array).__name__}; expected a NumPy array'
    if isinstance(array, np.matrix | np.ma.MaskedArray):
        return f'found a {type(array).__name__}; expected a plain array. Convert it with numpy.asarray().'
    channels = 1 if array.ndim == 2 else array.shape[-1] if array.ndim == 3 else 0
    if array.dtype not in (np.uint8, np.uint16) or channels not in (1, 3, 4):
        expected = 'uint8 or uint16, (H, W), (H, W, 3) BGR or (H, W, 4) BGRA'
        return f'found {array.dtype} of shape {array.shape}; expected {expected}'
    return f'shape {array.shape} has no pixels' if 0 in array.shape else None


def native(array: Any) -> Any:
    """Return an array in the byte order of this machine. Any other object is returned unchanged.

    Arrays of uint16 in the other byte order come from readers of big-endian files. Without a conversion, OpenCV and
    torch would refuse them or exchange the bytes.
    """
    if isinstance(array, np.ndarray) and not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder('='))
    return array


@dataclass
class DecodedImage:
    """Pixels of an image, separated into color and alpha.

    :meth:`with_color` converts the derained colors to an array in the format of this image.

    Attributes:
        bgr: color, (H, W, 3) BGR, uint8 or uint16.
        alpha: alpha channel, (H, W), with the dtype of ``bgr``. None if the image has no alpha channel.
        is_gray: True if the image has only one color channel. In this case, ``bgr`` contains this channel three times.
    """

    bgr: np.ndarray
    alpha: np.ndarray | None = None
    is_gray: bool = False

    @classmethod
    def from_array(cls, array: np.ndarray, name: str = 'the array') -> 'DecodedImage':
        """Split an array into color and alpha.

        Args:
            array: uint8 or uint16 of any byte order; (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA.
            name: name of the array in error messages.

        Raises:
            InputError: the array is not a plain NumPy array, has another dtype or shape, or is empty.
        """
        array = native(array)
        if problem := array_problem(array):
            raise InputError(f'{name}: {problem}')
        channels = 1 if array.ndim == 2 else array.shape[-1]
        if channels == 1:
            # cv2.merge is ten times faster than np.repeat.
            return cls(cv2.merge([np.ascontiguousarray(array.reshape(array.shape[:2]))] * 3), is_gray=True)
        return cls(array[..., :3], array[..., 3] if channels == 4 else None)

    def to_tensor(self) -> Tensor:
        """Return the color as RGB float32 (3, H, W) in [0, 1]; 16-bit values are not reduced to 8 bits."""
        planes = np.ascontiguousarray(self.bgr[..., ::-1].transpose(2, 0, 1)).astype(np.float32)
        return torch.from_numpy(planes).div_(np.iinfo(self.bgr.dtype).max)

    def to_uint8(self) -> np.ndarray:
        """Return the color as BGR uint8 (H, W, 3); 16-bit values are rounded to 8 bits."""
        return np.ascontiguousarray(to_8_bits(self.bgr))

    def to_levels(self) -> np.ndarray:
        """Return the color as BGR (H, W, 3) in 0..255: uint8 for 8 bits, float32 for 16 bits without rounding."""
        return np.ascontiguousarray(to_levels(self.bgr))

    def with_color(self, color: Tensor) -> np.ndarray:
        """Convert new colors to an array with the dtype, the number of channels and the alpha channel of this image.

        Args:
            color: the new colors, for example those of the derained image; RGB float (3, H, W) in [0, 1].

        Returns:
            An array of uint8 or uint16. The shape is (H, W) for a gray image, (H, W, 3) BGR for a color image, and
            (H, W, 4) BGRA for an image with an alpha channel. If this image is gray, ``color`` is converted to luma.
        """
        top = np.iinfo(self.bgr.dtype).max
        levels = color.detach().float().clamp(0, 1).mul_(top).round_().cpu().numpy()
        if self.is_gray:
            levels = np.rint(np.einsum('chw,c->hw', levels, _GRAY_WEIGHTS))[None]
        array = levels.astype(self.bgr.dtype)[::-1].transpose(1, 2, 0)
        if self.alpha is not None:
            bgr = np.repeat(array, 3, axis=2) if self.is_gray else array
            array = np.concatenate([bgr, self.alpha[..., None]], axis=2)
        return np.ascontiguousarray(array[..., 0] if array.shape[2] == 1 else array)


def to_8_bits(array: np.ndarray) -> np.ndarray:
    """Scale uint16 to uint8, rounded to the nearest value. An array of uint8 is returned unchanged."""
    # 65535 / 255 = 257. Integers save the memory of a floating-point copy.
    return array if array.dtype == np.uint8 else ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)


def to_levels(array: np.ndarray) -> np.ndarray:
    """Scale uint16 to float32 in 0..255 without rounding. An array of uint8 is returned unchanged."""
    return array if array.dtype == np.uint8 else (array / 257).astype(np.float32)
