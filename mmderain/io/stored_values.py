"""Find details in the header of an image file that Pillow does not report: the range of the values, late metadata.

Pillow opens most images with more than 8 bits as 8-bit images. Therefore its color mode does not tell the range.
"""

import io
import os
from typing import BinaryIO

from PIL import ImageFile
from PIL.Image import Image


def largest_value(file: BinaryIO, kind: str, image: Image) -> int:
    """Return the largest value that a channel can have in the file, for example 255 for 8 bits.

    Args:
        file: an image file, but not a TIFF file.
        kind: name of its format in Pillow, such as ``'PNG'``.
        image: the file, opened with Pillow. Its pixels are not loaded yet.

    Raises:
        ValueError, IndexError, KeyError: the header is damaged, or no decoder supports the range.
    """
    if kind == 'PPM':
        return _ppm(image)
    find = {'PNG': _png, 'JPEG2000': _jpeg2000, 'AVIF': _avif}.get(kind)
    return 255 if find is None else find(file)


def _ppm(image: Image) -> int:
    # Pillow's decoder gets the largest value as its last argument, unless it is 255 or 65535.
    assert isinstance(image, ImageFile.ImageFile)
    decoder, _, _, arguments = image.tile[0]
    if not isinstance(arguments, tuple) or not isinstance(arguments[-1], int):
        return 65535 if image.mode == 'I' else 255
    if decoder == 'ppm_plain' and image.mode == 'RGB' and arguments[-1] > 255:
        raise ValueError('it stores colors with more than 8 bits as text')
    return arguments[-1]


def _png(file: BinaryIO) -> int:
    file.seek(24)
    return 2 ** file.read(1)[0] - 1  # the ninth byte of the first chunk is the number of bits


def _box(file: BinaryIO, kind: bytes) -> bytes:
    """Return the content of the first box of a kind, at most 1 MiB. JPEG 2000 and AVIF files consist of boxes.

    Raises:
        ValueError: the file has no such box.
    """
    at = 0
    while True:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            raise ValueError(f'its header has no box {kind.decode()}')
        length, start = int.from_bytes(head[:4], 'big'), 8
        if length == 1:  # the length is stored in 8 more bytes
            length, start = int.from_bytes(head[8:], 'big'), 16
        if head[4:8] == kind:
            file.seek(at + start)
            return file.read(2**20 if length == 0 else max(0, min(length - start, 2**20)))
        if length < start:  # damaged, or the last box, whose length is stored as 0
            raise ValueError(f'its header has no box {kind.decode()}')
        at += length


def _jpeg2000(file: BinaryIO) -> int:
    file.seek(0)
    marker = b'\xff\x4f\xff\x51'  # start of the code stream, and the marker of the sizes
    start = file.read(2**18)
    if not start.startswith(marker):
        start = _box(file, b'jp2c')
    if not start.startswith(marker):
        raise ValueError('its header has no code stream')
    channels = int.from_bytes(start[40:42], 'big')
    bits = {start[42 + 3 * channel] + 1 for channel in range(channels)}
    if len(bits) != 1 or not 8 <= min(bits) <= 16:  # above 128: signed values
        raise ValueError(f'its channels have {sorted(bits)} bits; expected 8 to 16 bits, the same for all channels')
    return 2 ** bits.pop() - 1


def _avif(file: BinaryIO) -> int:
    meta = _box(file, b'meta')
    at = meta.find(b'av1C')  # the box with the settings of the decoder
    if at < 0:
        raise ValueError('its header has no box av1C')
    flags = meta[at + 6]
    return {0x00: 255, 0x40: 1023, 0x60: 4095}[flags & 0x60]


def num_ppm_images(file: BinaryIO, image: Image) -> int:
    """Return 2 if another image follows the first one in a PPM, PGM or PBM file, else 1.

    Args:
        file: the image file.
        image: the file, opened with Pillow.
    """
    assert isinstance(image, ImageFile.ImageFile)
    decoder, _, offset, arguments = image.tile[0]
    if decoder not in ('raw', 'ppm'):  # pixels as text
        return 1
    row = (image.width + 7) // 8 if image.mode == '1' else image.width * (3 if image.mode == 'RGB' else 1)
    is_deep = _ppm(image) > 255
    file.seek(offset + image.height * row * (2 if is_deep else 1))
    follows = file.read(3).lstrip()
    return 2 if follows[:1] == b'P' and follows[1:2] in b'1234567' and len(follows) > 1 else 1


def png_head(file: BinaryIO) -> BinaryIO:
    """Return a PNG file that Pillow can open: the chunks before the pixels, without the texts.

    Pillow refuses files with very long texts, such as those that some image editors write.
    """
    file.seek(0)
    head = io.BytesIO()
    head.write(file.read(8))
    while len(start := file.read(8)) == 8 and start[4:] != b'IDAT':
        content = file.read(int.from_bytes(start[:4], 'big') + 4)
        if start[4:] not in (b'tEXt', b'zTXt', b'iTXt'):
            head.write(start + content)
    head.write(start)
    head.seek(0)
    return head


def png_mode(file: BinaryIO, mode: str) -> str:
    """Return the color mode of a PNG file. Pillow opens gray with alpha and 16 bits in the mode RGBA."""
    file.seek(25)
    return 'LA' if file.read(1) == b'\4' else mode


def has_late_metadata(file: BinaryIO) -> bool:
    """Return whether a PNG file has metadata after its pixels that can contain an orientation.

    Raises:
        ValueError: the file ends within a chunk. OpenCV would first allocate memory for the whole chunk, up to 4 GiB.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(8)
    has_pixels = False
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], 'big'), head[4:]
        if file.tell() + length > size:
            raise ValueError('the end of the file is missing')
        has_pixels = has_pixels or kind == b'IDAT'
        if has_pixels and kind in (b'eXIf', b'zTXt', b'iTXt', b'tEXt'):
            keyword = file.read(min(length, 32))
            if kind == b'eXIf' or keyword.startswith((b'Raw profile type exif', b'XML:com.adobe.xmp')):
                return True
            length -= len(keyword)
        file.seek(length + 4, os.SEEK_CUR)
    return False
