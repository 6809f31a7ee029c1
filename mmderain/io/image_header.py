"""Read the header of an image file without its pixels, and refuse too large images before they are decoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, TiffImagePlugin

from mmderain.errors import InputError, UnreadableImageError

#: Largest number of pixels that is accepted in an image or video frame, unless the caller sets another limit.
MAX_PIXELS = 500_000_000
#: Limits of OpenCV: the largest side of an image in pixels, and the largest number of pixels.
OPENCV_MAX_SIDE, OPENCV_MAX_PIXELS = 2**20, 2**30
#: Accepted formats, by their names in Pillow. OpenCV can decode more formats, such as Radiance HDR. These formats are
#: refused, because this module cannot read the size of such an image before OpenCV decodes it.
FORMATS = ('PNG', 'JPEG', 'BMP', 'DIB', 'TIFF', 'WEBP', 'GIF', 'PPM', 'JPEG2000', 'SUN', 'AVIF')


@dataclass(frozen=True)
class ImageHeader:
    """Properties of an image file that are known before its pixels are decoded.

    Attributes:
        width: width of the stored image in pixels, before the EXIF orientation is applied.
        height: height of the stored image in pixels, before the EXIF orientation is applied.
        mode: color mode, by its name in Pillow, such as ``'RGB'``. If Pillow cannot open a TIFF file, the mode is
            always ``'RGB'``.
        orientation: EXIF orientation from 1 to 8. 1 means that the image is neither rotated nor mirrored.
        frames: number of images in the file. Some cameras write JPEG files with several images (MPO). For these files,
            the number is 1, because only the first image is used. If Pillow cannot open a TIFF file, 2 means two or
            more images.
    """

    width: int
    height: int
    mode: str = 'RGB'
    orientation: int = 1
    frames: int = 1

    @property
    def upright_size(self) -> tuple[int, int]:
        """Return the height and width of the image after its EXIF orientation is applied."""
        # The orientations 5 to 8 exchange the height and the width.
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def read_header(file: BinaryIO, name: str | Path, max_pixels: int = MAX_PIXELS, decode: bool = False) -> ImageHeader:
    """Read the header of an image file.

    Args:
        file: the image file, opened for reading in binary mode. Its position must be 0.
        name: path or name of the file for error messages.
        max_pixels: largest number of pixels that is accepted.
        decode: True also decodes the pixels to check that they are not damaged. If Pillow cannot open a TIFF file, for
            example with 16-bit RGB, the pixels are not decoded. Default: False.

    Raises:
        InputError: the file is not an image of one of :data:`FORMATS`, is damaged, or has too many pixels.
    """
    try:
        image = _open(file)
        if image is not None:
            require_pixels(name, *image.size, max_pixels)  # before the frames of the file are counted
        header = _tiff_header(file) if image is None else _header(image)
    except InputError:
        raise
    except Exception as error:  # a decoder can raise any exception for a damaged file
        raise _unreadable(name, error) from error
    require_pixels(name, header.width, header.height, max_pixels)
    if decode and image is not None:
        try:
            image.load()
        except Exception as error:
            raise _unreadable(name, error) from error
    return header


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


def _unreadable(path: str | Path, error: Exception) -> UnreadableImageError:
    reason = str(error) or type(error).__name__
    return UnreadableImageError(f'{path}: cannot be read as an image ({reason}). Replace or remove the file.')


def _open(file: BinaryIO) -> Image.Image | None:
    """Open an image with Pillow; return None for a TIFF file that Pillow cannot open, such as 16-bit RGB.

    ``Image.open`` refuses images of more than 179 million pixels. Pillow stores this limit in a global variable, and
    other parts of the program may rely on the limit. Therefore this function does not change the limit. Instead, it
    does not use ``Image.open``, but calls Pillow's reader of each format directly.
    """
    Image.init()
    prefix = file.read(16)
    if len(prefix) < 16:
        raise ValueError('it is empty or too short')
    for name in FORMATS:
        if name not in Image.OPEN:  # this build of Pillow does not support the format
            continue
        factory, accept = Image.OPEN[name]
        if accept is None or accept(prefix) is not True:
            continue
        file.seek(0)
        try:
            return factory(file, '')
        except SyntaxError:
            if name != 'TIFF':
                raise
            return None
    raise ValueError('it is damaged or of an unknown format')


def _header(image: Image.Image) -> ImageHeader:
    # Many cameras write JPEG files with several images (MPO). Image viewers show only the first image.
    frames = 1 if image.format == 'MPO' else getattr(image, 'n_frames', 1)
    if image.format == 'PNG' and 'exif' not in image.info:
        orientation = 1  # getexif() would decode the whole image to look for EXIF data after the pixels
    else:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return ImageHeader(*image.size, image.mode, orientation, frames)


def _tiff_header(file: BinaryIO) -> ImageHeader:
    file.seek(0)
    start = file.read(8)
    directory = TiffImagePlugin.ImageFileDirectory_v2(start + (file.read(8) if start[2] == 43 else b''))  # 43: BigTIFF
    file.seek(directory.next)
    directory.load(file)
    base = ExifTags.Base
    orientation = directory.get(base.Orientation, 1)
    frames = 2 if directory.next else 1
    return ImageHeader(directory[base.ImageWidth], directory[base.ImageLength], orientation=orientation, frames=frames)


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
