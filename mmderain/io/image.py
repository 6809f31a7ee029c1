"""Read and write image files, and convert between files, arrays and tensors.

All other modules read images with :func:`read_image` or :func:`decode_image`, and write images with
:func:`write_image`. Arrays are BGR uint8 (H, W, 3), as in OpenMMLab. Tensors are RGB float32 (3, H, W) in [0, 1].
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from mmderain.errors import InputError, UnreadableImageError

from .files import atomic_write
from .image_header import MAX_PIXELS, ImageHeader, is_cut_jpeg, read_header

#: Suffixes of the formats that :func:`list_images` finds and :func:`write_image` writes.
IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
JPEG_QUALITY = 95
#: Maps an EXIF orientation to two values: the number of counterclockwise rotations by 90 degrees, and whether to mirror
#: the image horizontally (exchange left and right) after the rotations.
_ORIENTATIONS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}
#: Luma weights of R, G and B (ITU-R BT.601), as in JPEG and OpenCV.
_GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


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
            array: uint8 or uint16; (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA.
            name: name of the array in error messages.

        Raises:
            InputError: the array has another dtype or shape, is empty, or is a NumPy matrix or masked array.
        """
        if isinstance(array, np.matrix | np.ma.MaskedArray):
            raise InputError(
                f'{name}: found a {type(array).__name__}; expected a plain array. Convert it with numpy.asarray().'
            )
        channels = 1 if array.ndim == 2 else array.shape[-1]
        if array.dtype not in (np.uint8, np.uint16) or array.ndim not in (2, 3) or channels not in (1, 3, 4):
            raise InputError(
                f'{name}: found {array.dtype} of shape {array.shape}; expected uint8 or uint16, (H, W), (H, W, 3) BGR '
                'or (H, W, 4) BGRA'
            )
        if 0 in array.shape:
            raise InputError(f'{name}: shape {array.shape} has no pixels')
        if channels == 1:
            return cls(np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2), is_gray=True)
        return cls(array[..., :3], array[..., 3] if channels == 4 else None)

    def to_tensor(self) -> Tensor:
        """Return the color as RGB float32 (3, H, W) in [0, 1]; 16-bit values are not reduced to 8 bits."""
        planes = np.ascontiguousarray(self.bgr[..., ::-1].transpose(2, 0, 1)).astype(np.float32)
        return torch.from_numpy(planes).div_(np.iinfo(self.bgr.dtype).max)

    def to_uint8(self) -> np.ndarray:
        """Return the color as BGR uint8 (H, W, 3); 16-bit values are rounded to 8 bits."""
        bgr = self.bgr if self.bgr.dtype == np.uint8 else (self.bgr / 257 + 0.5).astype(np.uint8)
        return np.ascontiguousarray(bgr)

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


def list_images(folder: Path, also: tuple[str, ...] = ()) -> list[Path]:
    """Return the image files in a folder and its sub-folders, without hidden files.

    Args:
        folder: folder to search.
        also: further file suffixes to include, in lower case, for example ``('.mp4',)``.

    Returns:
        Paths relative to the folder, sorted.
    """
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob('*')
        if path.suffix.lower() in (*IMAGE_SUFFIXES, *also) and not path.name.startswith('.')
    )


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
    path = Path(path)
    header = _supported_header(path, max_pixels)
    content = np.fromfile(path, np.uint8)
    if content[:2].tobytes() == b'\xff\xd8' and is_cut_jpeg(content.tobytes()):
        raise UnreadableImageError(f'{path}: the end of the file is missing. Replace or remove the file.')
    try:
        array = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    except cv2.error:  # OpenCV raises this for an empty file
        array = None
    if array is None:
        raise UnreadableImageError(
            f'{path}: cannot be read as an image; it is damaged or of an unknown format. Replace or remove the file.'
        )
    turns, mirrored = _ORIENTATIONS.get(header.orientation, (0, False))
    array = np.rot90(array, turns)
    image = DecodedImage.from_array(array[:, ::-1] if mirrored else array, str(path))
    if header.mode == 'LA':  # OpenCV decodes gray with alpha as BGRA
        image.is_gray = True
    return image


def _supported_header(path: Path, max_pixels: int, decode: bool = False) -> ImageHeader:
    """Read the header of an image file, and refuse images that cannot be derained."""
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such image')
    header = read_header(path, max_pixels, decode)
    if header.frames > 1:
        raise UnreadableImageError(
            f'{path}: has {header.frames} frames; expected a single image. Split it, or convert it to a video.'
        )
    if header.mode in ('CMYK', 'LAB', 'HSV', 'F'):
        raise UnreadableImageError(f'{path}: its color mode is {header.mode}; expected RGB or gray. Convert it first.')
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
    return _supported_header(Path(path), max_pixels, decode).upright_size


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
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise InputError(
            f'{path}: cannot write images as {path.suffix!r}; expected one of {", ".join(sorted(IMAGE_SUFFIXES))}'
        )
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix in ('.jpg', '.jpeg') else []
    try:
        done, content = cv2.imencode(suffix, array, options)
        if not done:
            raise InputError(f'{path}: {array.dtype} of shape {array.shape} cannot be written as {suffix}')
        with atomic_write(path, durable=False) as part:
            part.write_bytes(content.tobytes())
    except (OSError, cv2.error) as error:
        raise InputError(f'{path}: cannot be written ({error})') from None


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
