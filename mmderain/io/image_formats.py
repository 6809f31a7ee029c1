"""The image formats that can be read and written: their suffixes, and how a file is recognized and opened."""

import contextlib
import importlib
import importlib.util
from collections.abc import Callable
from typing import BinaryIO

from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile

from .stored_values import png_head

#: Maps each format that can be read, by its name in Pillow, to the suffixes of its files. OpenCV and Pillow can decode
#: more formats, such as Radiance HDR. They are refused, because their sizes cannot be checked before they are decoded,
#: or because no test covers them.
FORMATS = {
    'PNG': ('.png', '.apng'),
    'JPEG': ('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo'),
    'BMP': ('.bmp',),
    'DIB': ('.dib',),
    'TIFF': ('.tif', '.tiff'),
    'WEBP': ('.webp',),
    'GIF': ('.gif',),
    'PPM': ('.ppm', '.pgm', '.pbm', '.pnm'),
    'JPEG2000': ('.jp2', '.j2k', '.j2c', '.jpc', '.jpf', '.jpx'),
    'SUN': ('.ras', '.sun'),
    'AVIF': ('.avif',),
    'HEIF': ('.heic', '.heif', '.hif'),
}
#: Suffixes of the formats that :func:`~mmderain.io.image.write_image` writes.
IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')


def readable_suffixes() -> tuple[str, ...]:
    """Return the suffixes of the formats that this installation can read, in lower case.

    HEIC images need the package pillow-heif. AVIF images need a Pillow with AVIF.
    """
    Image.init()
    missing = set()
    if not heic_is_readable():
        missing.add('HEIF')
    if _accepts('AVIF', b'\0\0\0\x1cftypavif\0\0\0\0') is not True:
        missing.add('AVIF')
    return tuple(suffix for name, suffixes in FORMATS.items() if name not in missing for suffix in suffixes)


def heic_is_readable() -> bool:
    """Return whether pillow-heif is installed, or a package has registered a reader of HEIC images at Pillow."""
    return 'HEIF' in Image.OPEN or importlib.util.find_spec('pillow_heif') is not None


def image_format(file: BinaryIO) -> str:
    """Return the format of an image file, one of :data:`FORMATS`. The first bytes of the file show its format.

    Raises:
        ValueError: the format is unknown, or the file is too short.
    """
    Image.init()
    file.seek(0)
    prefix = file.read(16)
    if not prefix:
        raise ValueError('it is empty')
    if len(prefix) < 8:  # the smallest PPM files have 8 bytes
        raise ValueError('it is too short')
    if prefix[4:8] == b'ftyp':
        # HEIC and AVIF images, and MP4 videos. Some HEIC and AVIF images start with the same name, mif1. Only the list
        # of names after it tells them apart.
        names = prefix[8:] + file.read(max(0, min(int.from_bytes(prefix[:4], 'big'), 256) - 16))
        brands = {names[at : at + 4] for at in range(0, len(names), 4)}
        if not brands & {b'avif', b'avis'} and brands & {b'heic', b'heix', b'hevc', b'heim', b'heis'}:
            if not heic_is_readable():
                raise ValueError('it is a HEIC image; to read it, run `pip install pillow-heif`')
            return 'HEIF'
    for name in FORMATS:
        accepted = name != 'HEIF' and _accepts(name, prefix)
        if isinstance(accepted, str):
            raise ValueError(accepted)
        if accepted:
            return name
    raise ValueError('it is damaged or of an unknown format')


def _accepts(name: str, prefix: bytes) -> bool | str:
    """Return whether a file is of a format. The result is an error message if this Pillow lacks the decoder."""
    _, accept = Image.OPEN.get(name, (None, None))
    return accept is not None and accept(prefix)


def open_with_pillow(file: BinaryIO, kind: str) -> Image.Image:
    """Open an image file with Pillow. The pixels are not decoded.

    ``Image.open`` refuses images of more than 179 million pixels. Pillow stores this limit in a global variable, and
    other parts of the program may rely on the limit. Therefore this function does not change the limit. Instead, it
    does not use ``Image.open``, but calls Pillow's reader of the format directly. Callers must check the size.

    Args:
        file: the image file.
        kind: its format, see :func:`image_format`.
    """
    file.seek(0)
    try:
        return _reader(kind)(file, '')
    except ValueError:
        if kind != 'PNG':
            raise
    return _reader(kind)(png_head(file), '')


def pillow_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation as Pillow reads it. Damaged EXIF data count as 1, as in image viewers."""
    with contextlib.suppress(Exception):  # for damaged EXIF data, Pillow raises exceptions of many types
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        return orientation if orientation in range(1, 9) else 1
    return 1


def _reader(kind: str) -> Callable[[BinaryIO, str], Image.Image]:
    if kind == 'JPEG':
        # Pillow's factory of JPEG images would also read the table of the further images in the files of some cameras
        # (MPO). This table is often damaged, and only the first image is used here.
        return JpegImageFile
    if kind == 'HEIF' and kind not in Image.OPEN:
        # Registering the reader would change Pillow for the whole process.
        return importlib.import_module('pillow_heif').HeifImageFile
    return Image.OPEN[kind][0]
