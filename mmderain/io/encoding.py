"""Encode images as the content of image files."""

import io

import cv2
import numpy as np
from PIL import Image

from mmderain.errors import InputError

from .decoded_image import array_problem, native, to_8_bits
from .image_formats import IMAGE_SUFFIXES

JPEG_QUALITY = 95
JPEG_SUFFIXES = ('.jpg', '.jpeg')
#: Largest side of a WebP image in pixels.
_WEBP_MAX_SIDE = 16383


def encode_image(array: np.ndarray, suffix: str) -> bytes:
    """Encode an array as the content of an image file.

    If the format cannot store the array, these rules apply:

    * 16 bits: only PNG and TIFF store them. For the other formats, the values are scaled to 8 bits.
    * Alpha: JPEG does not store it. If all pixels are opaque, the alpha channel is removed. Otherwise the array is
      refused.
    * Gray: WebP stores it as three equal channels.

    Args:
        array: uint8 or uint16 of any byte order; (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA.
        suffix: suffix of the file name, one of :data:`~mmderain.io.image_formats.IMAGE_SUFFIXES` in upper or lower
            case. It selects the format. JPEG files have the quality 95. The other formats are lossless.

    Raises:
        InputError: the suffix is not supported, or the array cannot be encoded in this format. The message does not
            name a file.
    """
    suffix = suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise InputError(f'cannot write images as {suffix!r}; expected one of {", ".join(sorted(IMAGE_SUFFIXES))}')
    array = native(array)
    if problem := array_problem(array):
        raise InputError(f'cannot write the array: {problem}')
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.dtype == np.uint16 and suffix not in ('.png', '.tif', '.tiff'):
        array = to_8_bits(array)
    if suffix == '.webp' and max(array.shape[:2]) > _WEBP_MAX_SIDE:
        raise InputError(
            f'cannot write {array.shape[1]}x{array.shape[0]} pixels as WebP; each side has at most {_WEBP_MAX_SIDE} '
            'pixels. Write a .png file instead.'
        )
    if suffix in JPEG_SUFFIXES and channels == 4:
        if loses_alpha(suffix, array[..., 3]):
            raise InputError(
                'cannot write transparent pixels as JPEG, which has no alpha channel; write a .png file instead'
            )
        array = array[..., :3]
    if suffix == '.webp' and channels == 4:
        return _encode_webp(array)
    return _encode_with_opencv(array, suffix)


def loses_alpha(suffix: str, alpha: np.ndarray | None) -> bool:
    """Return whether an image has transparent pixels, and the format of a file cannot store them.

    Args:
        suffix: suffix of the file name in upper or lower case.
        alpha: alpha channel, uint8 or uint16. None if the image has none.
    """
    return alpha is not None and suffix.lower() in JPEG_SUFFIXES and bool(to_8_bits(alpha).min() < 255)


def _encode_webp(bgra: np.ndarray) -> bytes:
    """Encode an image with an alpha channel as lossless WebP.

    OpenCV would change the colors of transparent pixels.
    """
    file = io.BytesIO()
    image = Image.fromarray(cv2.cvtColor(np.ascontiguousarray(bgra), cv2.COLOR_BGRA2RGBA))
    image.save(file, 'WEBP', lossless=True, exact=True)
    return file.getvalue()


def _encode_with_opencv(array: np.ndarray, suffix: str) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix in JPEG_SUFFIXES else []
    try:
        done, content = cv2.imencode(suffix, np.ascontiguousarray(array), options)
    except cv2.error as error:
        raise InputError(f'cannot be written ({error})') from None
    if not done:
        raise InputError(f'{array.dtype} of shape {array.shape} cannot be written as {suffix}')
    return content.tobytes()
