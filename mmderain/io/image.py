"""Read and write image files, and convert between files, arrays and tensors.

All other modules read images with :func:`read_image` or :func:`decode_image`, and write images with
:func:`write_image`. Arrays are BGR uint8 (H, W, 3), as in OpenMMLab. Tensors are RGB float32 (3, H, W) in [0, 1].
"""

import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from mmderain.errors import InputError, UnreadableImageError

from .decoded_image import DecodedImage, to_levels
from .decoding import decode_pixels, image_from_pillow
from .encoding import encode_image
from .files import atomic_write
from .folders import list_images
from .image_formats import IMAGE_SUFFIXES
from .image_header import MAX_PIXELS, ImageHeader, is_cut_jpeg, read_header

__all__ = [
    'IMAGE_SUFFIXES',
    'DecodedImage',
    'decode_image',
    'decode_image_bytes',
    'encode_image',
    'image_from_pillow',
    'image_size',
    'list_images',
    'read_image',
    'to_bgr',
    'to_bgr_levels',
    'to_bgr_uint8',
    'to_rgb_tensor',
    'write_image',
]


def read_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read an image file as BGR uint8 (H, W, 3).

    The image is rotated and mirrored as its EXIF orientation requires. A gray image is returned with three equal
    channels. 16-bit values are rounded to 8 bits. An alpha channel is removed.

    Args:
        path: image file.
        max_pixels: largest number of pixels that is accepted.

    Raises:
        FileNotFoundError, InputError: see :func:`decode_image`.
    """
    return decode_image(path, max_pixels).to_uint8()


def decode_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> DecodedImage:
    """Read an image file, and keep its alpha channel and its bit depth of 8 or 16 bits.

    The image is rotated and mirrored as its EXIF orientation requires.

    Args:
        path: image file.
        max_pixels: largest number of pixels that is accepted. It is checked before the pixels are decoded.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is not an image, is damaged, has too many pixels, has several frames, or has a color mode
            or a bit depth that is not supported. docs/en/formats.md lists what is supported.
    """
    with _open_image(path) as file:
        header = read_header(file, path, max_pixels)  # refuses too large images before the whole file is read
        file.seek(0)
        return _decode(file.read(), header, str(path))


def decode_image_bytes(content: bytes, name: str, max_pixels: int = MAX_PIXELS) -> DecodedImage:
    """Decode the content of an image file, for example of a file in an archive.

    Args:
        content: content of the image file.
        name: name of the image in error messages.
        max_pixels: largest number of pixels that is accepted. It is checked before the pixels are decoded.

    Raises:
        InputError: see :func:`decode_image`.
    """
    return _decode(content, read_header(io.BytesIO(content), name, max_pixels), name)


def _decode(content: bytes, header: ImageHeader, name: str) -> DecodedImage:
    if is_cut_jpeg(content):
        raise UnreadableImageError(f'{name}: the end of the file is missing. Replace or remove the file.')
    return decode_pixels(content, header, name)


def image_size(path: str | Path, decode: bool = False, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Return the height and width of the array that :func:`read_image` would return.

    By default, only the header is read.

    Args:
        path: image file.
        decode: True also decodes the pixels to check that they are not damaged. Default: False.
        max_pixels: largest number of pixels that is accepted.

    Raises:
        FileNotFoundError, InputError: see :func:`decode_image`.
    """
    if decode:
        return decode_image(path, max_pixels).bgr.shape[:2]
    with _open_image(path) as file:
        return read_header(file, path, max_pixels).upright_size


def _open_image(path: str | Path) -> BinaryIO:
    """Open an image file for reading."""
    try:
        mode = os.stat(path).st_mode
        # Opening a pipe would wait for a writer, and a device such as /dev/zero never ends.
        if stat.S_ISREG(mode):
            return open(path, 'rb')
    except (FileNotFoundError, NotADirectoryError):
        found = 'is a link to a missing file' if os.path.islink(path) else 'no such image'
        raise FileNotFoundError(f'{path}: {found}') from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
        raise UnreadableImageError(f'{path}: cannot be opened ({reason})') from None
    kind = 'a folder' if stat.S_ISDIR(mode) else 'a pipe or a device'
    raise UnreadableImageError(f'{path}: is {kind}; expected an image file')


def write_image(array: np.ndarray, path: str | Path) -> None:
    """Write an image file, completely or not at all.

    Args:
        array: uint8 or uint16; (H, W), (H, W, 3) BGR or (H, W, 4) BGRA. If the format cannot store it, the rules of
            :func:`encode_image` apply.
        path: final path. The suffix selects the format and must be one of :data:`IMAGE_SUFFIXES`. The folder is created
            if it does not exist.

    Raises:
        InputError: the suffix is not supported, the array cannot be stored in this format, or the file cannot be
            written.
    """
    path = Path(path)
    try:
        content = encode_image(array, path.suffix)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None
    try:
        with atomic_write(path, durable=False) as part:
            part.write_bytes(content)
    except OSError as error:  # its whole text can name the temporary file
        raise InputError(f'{path}: cannot be written ({error.strerror or error})') from None


def to_rgb_tensor(img: np.ndarray) -> Tensor:
    """Convert BGR uint8 (H, W, 3) to RGB float32 (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(img[..., ::-1].transpose(2, 0, 1))).float() / 255


def to_bgr_uint8(img: Tensor) -> np.ndarray:
    """Convert RGB float (3, H, W) in [0, 1] to BGR uint8 (H, W, 3).

    The values are clipped to [0, 1], scaled to [0, 255] and rounded to the nearest whole number. Truncation instead of
    rounding would give other scores. For example, on the first image pair of Rain100L, SIAN with the weights of its
    authors has a PSNR-Y of 38.977 dB with rounding, and of 39.018 dB with truncation.

    The function does not detect NaN. The caller must check for NaN.
    """
    return to_bgr(img, 8)


def to_bgr(img: Tensor, bits: int) -> np.ndarray:
    """Convert RGB float (3, H, W) in [0, 1] to BGR (H, W, 3), uint8 for 8 bits and uint16 for 16 bits.

    The values are clipped, scaled and rounded as in :func:`to_bgr_uint8`.
    """
    dtype = np.uint8 if bits == 8 else np.uint16
    # clamp() makes the only float32 copy of the image. The next steps work in place, because images may be large.
    levels = img.detach().float().clamp(0, 1).mul_(2**bits - 1).round_().cpu().numpy().astype(dtype)
    return np.ascontiguousarray(levels.transpose(1, 2, 0)[..., ::-1])


def to_bgr_levels(img: Tensor, bits: int) -> np.ndarray:
    """Convert RGB float (3, H, W) in [0, 1] to BGR (H, W, 3) in 0..255.

    The values are those of an image that was written to a file and read again.

    Args:
        img: the image.
        bits: number of bits of each channel of the file. With 8, the result is uint8. With 16, it is float32, and its
            values are multiples of 255 / 65535.
    """
    return to_levels(to_bgr(img, bits))
