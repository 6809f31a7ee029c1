"""Decode the pixels of image files with OpenCV or Pillow.

Each library decodes only some kinds of images correctly. OpenCV decodes JPEG, PNG and WebP faster. Only OpenCV keeps
16-bit colors. Pillow decodes the other images. docs/en/formats.md lists the result for each kind of image, and a test
compares it with known pixels.
"""

import io

import cv2
import numpy as np
from PIL import Image, ImageOps

from mmderain.errors import InputError, UnreadableImageError

from .decoded_image import DecodedImage
from .image_formats import open_with_pillow, pillow_orientation
from .image_header import ImageHeader, unreadable
from .tiff import PREMULTIPLIED, WHITE_IS_ZERO, needs_opencv, without_rendering

#: Maps an EXIF orientation to two values: the number of counterclockwise rotations by 90 degrees, and whether to mirror
#: the image horizontally (exchange left and right) after the rotations.
_ORIENTATIONS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}


def decode_pixels(content: bytes, header: ImageHeader, name: str) -> DecodedImage:
    """Decode an image file, and rotate and mirror the image as its EXIF orientation requires.

    Args:
        content: content of the file.
        header: its header.
        name: name of the file for error messages.

    Raises:
        UnreadableImageError: the file is damaged.
        MemoryError: the memory is too small for the image.
    """
    try:
        if not _uses_opencv(header):
            return _decode_with_pillow(content, header, name)
        array = _decode_with_opencv(content, header)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a decoder can raise any exception for a damaged file
        if isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem:
            raise MemoryError(f'{name}: the memory is too small for the image') from error
        raise unreadable(name, error) from error
    if array is None:
        raise UnreadableImageError(
            f'{name}: cannot be read as an image; it is damaged or of an unknown format. Replace or remove the file.'
        )
    turns, mirrored = _ORIENTATIONS.get(header.orientation, (0, False))
    array = np.rot90(array, turns)
    image = DecodedImage.from_array(array[:, ::-1] if mirrored else array, name)
    image.is_gray = image.is_gray or header.mode in ('1', 'L', 'LA', 'I;16')  # OpenCV returns gray with alpha as BGRA
    return image


def _uses_opencv(header: ImageHeader) -> bool:
    """Return whether OpenCV decodes the image. Otherwise Pillow decodes it."""
    if header.tiff is not None:
        return needs_opencv(header.tiff)
    if header.format == 'PPM':
        return header.mode == 'RGB' and header.largest_value > 255
    return header.format in ('JPEG', 'PNG', 'WEBP') or header.largest_value > 255


def _decode_with_opencv(content: bytes, header: ImageHeader) -> np.ndarray | None:
    """Return the stored pixels, uint8 or uint16 on the full scale, or None if OpenCV refuses the file."""
    tiff = header.tiff
    if tiff is not None:
        content = without_rendering(content, tiff)
    array = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        return None
    if array.shape[:2] != (header.height, header.width):
        raise ValueError(f'its header says {header.width}x{header.height} pixels, but {array.shape[1::-1]} are stored')
    if array.dtype == np.uint16 and header.largest_value < 65535:
        array = np.rint(array * (65535 / header.largest_value)).clip(0, 65535).astype(np.uint16)
    if header.transparent_gray is not None:
        return _add_transparency(array, header)
    if tiff is not None and tiff.photometric == WHITE_IS_ZERO and array.dtype == np.uint16:
        array = 65535 - array
    if tiff is not None and tiff.extra_channels and tiff.extra == PREMULTIPLIED:
        array = _divide_by_alpha(array)
    return array


def _add_transparency(gray: np.ndarray, header: ImageHeader) -> np.ndarray:
    """Return BGRA for a gray image in which one gray level means "transparent"."""
    top = np.iinfo(gray.dtype).max
    level = header.transparent_gray * (top // header.largest_value)  # type: ignore[operator]
    alpha = np.where(gray == level, 0, top).astype(gray.dtype)
    return np.dstack([gray, gray, gray, alpha])


def _divide_by_alpha(bgra: np.ndarray) -> np.ndarray:
    """Return BGRA whose colors are not multiplied by alpha. Where alpha is 0, the color is kept."""
    top = np.iinfo(bgra.dtype).max
    alpha = bgra[..., 3:].astype(np.float64)
    color = np.where(alpha > 0, bgra[..., :3] * (top / np.maximum(alpha, 1)), bgra[..., :3])
    return np.concatenate([np.rint(color).clip(0, top).astype(bgra.dtype), bgra[..., 3:]], axis=2)


def _decode_with_pillow(content: bytes, header: ImageHeader, name: str) -> DecodedImage:
    image = open_with_pillow(io.BytesIO(content), header.format)
    decoded = image_from_pillow(image, name)
    if header.format in ('BMP', 'DIB') and image.mode == 'RGB':
        decoded.alpha = _bmp_alpha(content, header)
    return decoded


def _bmp_alpha(content: bytes, header: ImageHeader) -> np.ndarray | None:
    """Return the fourth bytes of the pixels of a 32-bit BMP file. None if there are none, or if all are 0.

    Many programs store the alpha channel in these bytes without declaring it, and Pillow ignores it. Other programs
    leave the bytes 0.
    """
    start = 14 if header.format == 'BMP' else 0
    compression = int.from_bytes(content[start + 16 : start + 20], 'little')
    if content[start] < 40 or content[start + 14] != 32 or compression != 0:
        return None
    height = int.from_bytes(content[start + 8 : start + 12], 'little', signed=True)  # negative: the top row comes first
    offset = int.from_bytes(content[10:14], 'little') if start else content[0]
    pixels = np.frombuffer(content, np.uint8, 4 * header.width * header.height, offset)
    alpha = pixels[3::4].reshape(header.height, header.width)
    return np.ascontiguousarray(alpha if height < 0 else alpha[::-1]) if alpha.any() else None


def image_from_pillow(image: Image.Image, name: str = 'the image') -> DecodedImage:
    """Convert a Pillow image to a :class:`DecodedImage`.

    Gray, color, transparency and the bit depth of the image are kept. The image is rotated and mirrored as its EXIF
    orientation requires.

    Args:
        image: the image, in one of the modes 1, L, LA, La, P, PA, RGB, RGBA, RGBa, RGBX, I;16, or I with values from 0
            to 65535.
        name: name of the image in error messages.

    Raises:
        InputError: the image has another mode, is empty, has values outside 0 to 65535, or its file is damaged.
        MemoryError: the memory is too small for the image.
    """
    if 0 in image.size:
        raise InputError(f'{name}: has {image.width}x{image.height} pixels; expected at least one pixel')
    try:
        image.load()  # rotates a TIFF image, and removes its orientation
    except MemoryError:
        raise
    except Exception as error:  # a decoder can raise any exception for a damaged file
        raise unreadable(name, error) from error
    if pillow_orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    key = image.info.get('transparency')
    mode = image.mode
    if mode in ('P', 'PA', 'RGB'):
        image = image.convert('RGBA' if image.has_transparency_data else 'RGB')
    elif mode in ('1', 'L'):
        image = image.convert('L' if key is None else 'LA')
    elif mode in ('La', 'RGBa', 'RGBX'):
        image = image.convert({'La': 'LA', 'RGBa': 'RGBA', 'RGBX': 'RGB'}[mode])
    if image.mode not in ('L', 'LA', 'RGB', 'RGBA', 'I;16', 'I;16B', 'I;16L', 'I'):
        raise InputError(f'{name}: its color mode is {mode}; expected RGB or gray. Convert it first.')
    array = np.asarray(image)
    if image.mode in ('RGB', 'RGBA'):
        to_bgr = cv2.COLOR_RGBA2BGRA if image.mode == 'RGBA' else cv2.COLOR_RGB2BGR
        return DecodedImage.from_array(cv2.cvtColor(array, to_bgr), name)
    if image.mode == 'LA':
        decoded = DecodedImage.from_array(array[..., 0], name)
        decoded.alpha = np.ascontiguousarray(array[..., 1])
        return decoded
    if array.dtype.kind == 'i' and array.size and not 0 <= array.min() <= array.max() <= 65535:
        raise InputError(f'{name}: has values from {array.min()} to {array.max()}; expected 0 to 65535')
    decoded = DecodedImage.from_array(array if array.dtype == np.uint8 else array.astype(np.uint16), name)
    if mode.startswith('I;16') and key is not None:
        decoded.alpha = np.where(array == key, 0, 65535).astype(np.uint16)
    return decoded
