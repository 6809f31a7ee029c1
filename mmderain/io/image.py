"""Read and write image files, and convert between files, arrays and tensors.

All other modules read images with :func:`read_image` or :func:`decode_image`, and write images with
:func:`write_image`. Arrays are BGR uint8 (H, W, 3), as in OpenMMLab. Tensors are RGB float32 (3, H, W) in [0, 1].
"""

import io
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import torch
from torch import Tensor

from mmderain.errors import InputError, UnreadableImageError

from .decoded_image import DecodedImage
from .files import atomic_write
from .folders import IMAGE_SUFFIXES, list_images
from .image_header import MAX_PIXELS, ImageHeader, is_cut_jpeg, read_header

__all__ = [
    'IMAGE_SUFFIXES',
    'DecodedImage',
    'decode_image',
    'decode_image_bytes',
    'encode_image',
    'image_size',
    'list_images',
    'read_image',
    'to_bgr_uint8',
    'to_rgb_tensor',
    'write_image',
]

JPEG_QUALITY = 95
#: Maps an EXIF orientation to two values: the number of counterclockwise rotations by 90 degrees, and whether to mirror
#: the image horizontally (exchange left and right) after the rotations.
_ORIENTATIONS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}


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
            that is not supported, such as CMYK.
    """
    with _open_image(path) as file:
        _supported_header(file, path, max_pixels)  # refuses too large images before the whole file is read
        file.seek(0)
        return decode_image_bytes(file.read(), str(path), max_pixels)


def decode_image_bytes(content: bytes, name: str, max_pixels: int = MAX_PIXELS) -> DecodedImage:
    """Decode the content of an image file, for example of a file in an archive.

    Args:
        content: content of the image file.
        name: name of the image in error messages.
        max_pixels: largest number of pixels that is accepted. It is checked before the pixels are decoded.

    Raises:
        InputError: see :func:`decode_image`.
    """
    header = _supported_header(io.BytesIO(content), name, max_pixels)
    if is_cut_jpeg(content):
        raise UnreadableImageError(f'{name}: the end of the file is missing. Replace or remove the file.')
    try:
        array = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # OpenCV raises this for an empty file
        array = None
    if array is None:
        raise UnreadableImageError(
            f'{name}: cannot be read as an image; it is damaged or of an unknown format. Replace or remove the file.'
        )
    turns, mirrored = _ORIENTATIONS.get(header.orientation, (0, False))
    array = np.rot90(array, turns)
    image = DecodedImage.from_array(array[:, ::-1] if mirrored else array, name)
    if header.mode == 'LA':  # OpenCV decodes gray with alpha as BGRA
        image.is_gray = True
    return image


def _open_image(path: str | Path) -> BinaryIO:
    """Open an image file for reading."""
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such image')
    return open(path, 'rb')


def _supported_header(file: BinaryIO, name: str | Path, max_pixels: int, decode: bool = False) -> ImageHeader:
    """Read the header of an image file, and refuse images that cannot be derained."""
    header = read_header(file, name, max_pixels, decode)
    if header.frames > 1:
        raise UnreadableImageError(
            f'{name}: has {header.frames} frames; expected a single image. Split it, or convert it to a video.'
        )
    if header.mode in ('CMYK', 'LAB', 'HSV', 'F'):
        raise UnreadableImageError(f'{name}: its color mode is {header.mode}; expected RGB or gray. Convert it first.')
    return header


def image_size(path: str | Path, decode: bool = False, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Return the height and width of the array that :func:`read_image` would return.

    By default, only the header is read.

    Args:
        path: image file.
        decode: True also decodes the pixels to check that they are not damaged, see
            :func:`~mmderain.io.image_header.read_header`. Default: False.
        max_pixels: largest number of pixels that is accepted.

    Raises:
        FileNotFoundError, InputError: see :func:`decode_image`.
    """
    with _open_image(path) as file:
        return _supported_header(file, path, max_pixels, decode).upright_size


def write_image(array: np.ndarray, path: str | Path) -> None:
    """Write an image file, completely or not at all.

    Args:
        array: uint8 or uint16; (H, W), (H, W, 3) BGR or (H, W, 4) BGRA.
        path: final path. The suffix selects the format and must be one of :data:`IMAGE_SUFFIXES`. The folder is created
            if it does not exist.

    Raises:
        InputError: the suffix is not supported, OpenCV cannot encode the array in this format, or the file cannot be
            written.
    """
    path = Path(path)
    try:
        content = encode_image(array, path.suffix)
        with atomic_write(path, durable=False) as part:
            part.write_bytes(content)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None
    except OSError as error:
        raise InputError(f'{path}: cannot be written ({error})') from None


def encode_image(array: np.ndarray, suffix: str) -> bytes:
    """Encode an array as the content of an image file.

    Args:
        array: uint8 or uint16; (H, W), (H, W, 3) BGR or (H, W, 4) BGRA.
        suffix: suffix of the file name, one of :data:`IMAGE_SUFFIXES` in upper or lower case. It selects the format.

    Raises:
        InputError: the suffix is not supported, or the array cannot be encoded in this format. The message does not
            name a file.
    """
    suffix = suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise InputError(f'cannot write images as {suffix!r}; expected one of {", ".join(sorted(IMAGE_SUFFIXES))}')
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix in ('.jpg', '.jpeg') else []
    try:
        done, content = cv2.imencode(suffix, array, options)
    except cv2.error as error:
        raise InputError(f'cannot be written ({error})') from None
    if not done:
        raise InputError(f'{array.dtype} of shape {array.shape} cannot be written as {suffix}')
    return content.tobytes()


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
    # clamp() makes the only float32 copy of the image. The next steps work in place, because images may be large.
    levels = img.detach().float().clamp(0, 1).mul_(255).round_().byte().cpu().numpy()
    return np.ascontiguousarray(levels.transpose(1, 2, 0)[..., ::-1])
