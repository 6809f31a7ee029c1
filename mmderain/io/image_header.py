"""Read the header of an image file without its pixels, and refuse images that are too large or not supported."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mmderain.errors import InputError, UnreadableImageError

from .image_formats import image_format, open_with_pillow, pillow_orientation
from .stored_values import has_late_metadata, largest_value, num_ppm_images, png_mode
from .tiff import TiffTags, read_tiff_tags, tiff_problem

#: Largest number of pixels that is accepted in an image or video frame, unless the caller sets another limit.
MAX_PIXELS = 500_000_000
#: Limits of OpenCV: the largest side of an image in pixels, and the largest number of pixels.
OPENCV_MAX_SIDE, OPENCV_MAX_PIXELS = 2**20, 2**30
#: Color modes of Pillow that can be decoded.
_MODES = ('1', 'L', 'LA', 'La', 'P', 'PA', 'RGB', 'RGBA', 'RGBa', 'RGBX', 'I;16', 'I;16B', 'I;16L', 'I')
#: Keys of the metadata of a PNG file that can contain an orientation.
_PNG_EXIF = {'exif', 'Raw profile type exif', 'XML:com.adobe.xmp'}


@dataclass(frozen=True)
class ImageHeader:
    """Properties of an image file that are known before its pixels are decoded.

    Attributes:
        format: name of the format in Pillow, such as ``'PNG'``.
        width: width of the stored image in pixels, before the EXIF orientation is applied.
        height: height of the stored image in pixels, before the EXIF orientation is applied.
        mode: color mode, by its name in Pillow, such as ``'RGB'``. It is always ``'RGB'`` for TIFF files.
        largest_value: largest value that a channel can have in the file, for example 65535 for 16 bits.
        orientation: EXIF orientation from 1 to 8. 1 means that the image is neither rotated nor mirrored.
        frames: number of images in the file. Some cameras write JPEG files with several images (MPO). For these files,
            the number is 1, because only the first image is used. Thumbnails in TIFF files are not counted.
        transparent_gray: gray level of a PNG file that means "transparent", on the scale of the file. None if there is
            no such level.
        tiff: the tags of a TIFF file. None for other formats.
    """

    format: str
    width: int
    height: int
    mode: str = 'RGB'
    largest_value: int = 255
    orientation: int = 1
    frames: int = 1
    transparent_gray: int | None = None
    tiff: TiffTags | None = None

    @property
    def upright_size(self) -> tuple[int, int]:
        """Return the height and width of the image after its EXIF orientation is applied."""
        # The orientations 5 to 8 exchange the height and the width.
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)

    @property
    def problem(self) -> str | None:
        """Return the reason why the image is not supported, or None."""
        if self.frames > 1:
            return f'has {self.frames} frames; expected a single image. Split it, or convert it to a video.'
        if self.tiff is not None:
            reason = tiff_problem(self.tiff)
            return reason and f'{reason}. Convert it first.'
        if self.mode not in _MODES:
            return f'its color mode is {self.mode}; expected RGB or gray. Convert it first.'
        return None


def read_header(file: BinaryIO, name: str | Path, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Read the header of an image file.

    Args:
        file: the image file, opened for reading in binary mode.
        name: path or name of the file for error messages.
        max_pixels: largest number of pixels that is accepted.

    Raises:
        InputError: the file is not an image of a supported format, is damaged, has too many pixels, has several frames,
            or has a color mode or a bit depth that is not supported.
    """
    try:
        kind = image_format(file)
        header = _tiff_header(file, name, max_pixels) if kind == 'TIFF' else _header(file, kind, name, max_pixels)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a decoder can raise any exception for a damaged file
        raise unreadable(name, error) from error
    if header.problem:
        raise UnreadableImageError(f'{name}: {header.problem}')
    return header


def _tiff_header(file: BinaryIO, name: str | Path, max_pixels: int) -> ImageHeader:
    tags = read_tiff_tags(file)
    require_pixels(name, tags.width, tags.height, max_pixels)
    largest = 2 ** max(tags.bits) - 1
    orientation = tags.orientation if tags.orientation in range(1, 9) else 1
    return ImageHeader('TIFF', tags.width, tags.height, 'RGB', largest, orientation, tags.pages, tiff=tags)


def _header(file: BinaryIO, kind: str, name: str | Path, max_pixels: int) -> ImageHeader:
    image = open_with_pillow(file, kind)
    require_pixels(name, *image.size, max_pixels)  # before the frames of the file are counted
    largest = largest_value(file, kind, image)
    frames = 1 if kind == 'JPEG' else num_ppm_images(file, image) if kind == 'PPM' else getattr(image, 'n_frames', 1)
    mode, transparent, has_exif = image.mode, None, False
    if kind == 'PNG':
        mode, transparent = png_mode(file, mode), image.info.get('transparency')
        if mode not in ('1', 'L', 'I;16'):
            transparent = None
        elif mode == '1' and transparent is not None:
            transparent = min(transparent, 1)  # some versions of Pillow return 255 instead of 1
        has_exif = has_late_metadata(file) or bool(set(image.info) & _PNG_EXIF)
    orientation = 1
    # Without this condition, Pillow would decode each PNG file to look for EXIF data after the pixels.
    if kind != 'PNG' or has_exif:
        orientation = pillow_orientation(open_with_pillow(file, kind))  # `image` expects another file position
    return ImageHeader(kind, *image.size, mode, largest, orientation, frames, transparent)


def require_pixels(path: str | Path, width: int, height: int, max_pixels: int) -> None:
    """Raise an InputError if an image or video frame has more than ``max_pixels`` pixels or is too large for OpenCV."""
    if max(width, height) > OPENCV_MAX_SIDE or width * height > OPENCV_MAX_PIXELS:
        raise InputError(
            f'{path}: has {width}x{height} pixels; OpenCV reads at most {OPENCV_MAX_SIDE} pixels on each side and '
            f'{OPENCV_MAX_PIXELS} pixels in total. Scale it down, or split it.'
        )
    if width * height > max_pixels:
        raise InputError(
            f'{path}: has {width}x{height} pixels, more than the limit of {max_pixels}; make it smaller, or set a '
            'larger max_pixels (--max-pixels) if you trust the file'
        )


def unreadable(name: str | Path, error: Exception) -> UnreadableImageError:
    """Return the error for an image file whose decoder raised an exception."""
    reason = ' '.join(str(error).split())
    # The texts of other exceptions, such as KeyError, describe the code of the decoder and not the file.
    if not isinstance(error, ValueError | OSError | SyntaxError) or not reason:
        reason = 'it is damaged'
    advice = '' if 'pip install' in reason else '. Replace or remove the file.'
    return UnreadableImageError(f'{name}: cannot be read as an image ({reason}){advice}')


def is_cut_jpeg(content: bytes) -> bool:
    """Return whether a JPEG file does not contain the marker that ends the pixel data.

    The marker is missing if the end of the file was lost, for example in an incomplete download. OpenCV would decode
    such a file and fill the missing part of the image with gray.

    Args:
        content: content of an image file.

    Returns:
        True if the pixel data begins but does not end. False for complete JPEG files and for all other formats.
    """
    if not content.startswith(b'\xff\xd8'):
        return False
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xDA:  # start of the pixel data; the end marker cannot occur inside the data
            return content.find(b'\xff\xd9', position) < 0
        position += 1 if marker == 0xFF else 2 + int.from_bytes(content[position + 2 : position + 4], 'big')
    return False
