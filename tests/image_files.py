"""Write image files of all kinds byte by byte or with Pillow and OpenCV."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import smooth_image
from PIL import Image

HEIGHT, WIDTH = 40, 48


def write_images(folder: Path, count: int, sub_folders: int) -> None:
    """Write smooth images of three sizes in two formats, distributed among sub-folders."""
    for number in range(count):
        path = folder / f'{number % sub_folders}/{number:03}.{"png" if number % 3 else "jpg"}'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), smooth_image(48 + 8 * (number % 3), 64, number))


def content(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder, keyed by their relative paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


_RNG = np.random.default_rng(0)
RGB8 = cv2.resize(_RNG.integers(0, 256, (9, 11, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
RGB16 = np.ascontiguousarray(_RNG.integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(np.uint16))
ALPHA8 = _RNG.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
ALPHA16 = _RNG.integers(0, 65536, (HEIGHT, WIDTH)).astype(np.uint16)
#: Pixels by depth and kind of channels. The channel order is RGB.
PIXELS = {
    'gray 8': RGB8[..., 1],
    'gray 16': RGB16[..., 1],
    'RGB 8': RGB8,
    'RGB 16': RGB16,
    'gray+alpha 8': np.dstack([RGB8[..., 1], ALPHA8]),
    'gray+alpha 16': np.dstack([RGB16[..., 1], ALPHA16]),
    'RGBA 8': np.dstack([RGB8, ALPHA8]),
    'RGBA 16': np.dstack([RGB16, ALPHA16]),
}


def tiff(pixels, photometric=None, extra=None, planar=False, orientation=1, sample_format=1, order='<', more=()):
    """Return an uncompressed TIFF file.

    Args:
        pixels: (H, W) or (H, W, C), in the order of the file.
        photometric: 0 min-is-white, 1 min-is-black, 2 RGB, 5 CMYK, 8 Lab.
        extra: 0 unspecified, 1 premultiplied alpha, 2 alpha.
        planar: whether to store the channels one after another.
        orientation: orientation from 1 to 8.
        sample_format: 1 unsigned, 2 signed, 3 floating-point.
        order: '<' or '>', the byte order.
        more: further tags, each a tuple of number, type and values.
    """
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    (height, width, channels), bits = pixels.shape, pixels.dtype.itemsize * 8
    if photometric is None:
        photometric = 2 if channels > 2 else 1
    planes = [pixels[..., channel] for channel in range(channels)] if planar else [pixels]
    data = [np.ascontiguousarray(plane).astype(pixels.dtype.newbyteorder(order)).tobytes() for plane in planes]
    tags = [(256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * channels), (259, 3, [1]), (262, 3, [photometric])]
    tags += [(273, 4, [0] * len(data)), (274, 3, [orientation]), (277, 3, [channels]), (278, 4, [height])]
    tags += [(279, 4, list(map(len, data))), (284, 3, [2 if planar else 1]), (339, 3, [sample_format] * channels)]
    tags = sorted([*tags, *more, *([(338, 3, [extra])] if extra is not None else [])])
    position = 8 + 2 + 12 * len(tags) + 4
    entries, values = b'', b''
    size_of_values = sum(
        (len(v) * {3: 2, 4: 4}[t] + 1) // 2 * 2 for _, t, v in tags if len(v) * {3: 2, 4: 4}[t] > 4
    )  # fmt: skip
    offsets = position + size_of_values + np.cumsum([0, *map(len, data[:-1])])
    for number, kind, numbers in tags:
        numbers = offsets.tolist() if number == 273 else numbers
        packed = struct.pack(f'{order}{len(numbers)}{"H" if kind == 3 else "I"}', *numbers)
        entries += struct.pack(f'{order}HHI', number, kind, len(numbers))
        if len(packed) > 4:
            entries += struct.pack(f'{order}I', position + len(values))
            values += packed + b'\0' * (len(packed) % 2)
        else:
            entries += packed.ljust(4, b'\0')
    start = (b'II' if order == '<' else b'MM') + struct.pack(f'{order}HIH', 42, 8, len(tags))
    return start + entries + bytes(4) + values + b''.join(data)


def png(pixels, color_type, bits=None, chunks=(), late_chunks=()):
    """Return a PNG file. With fewer than 8 bits, ``pixels`` are (H, W) indices or gray levels.

    Args:
        pixels: (H, W) or (H, W, C), uint8 or uint16.
        color_type: 0 gray, 2 RGB, 3 palette, 4 gray with alpha, 6 RGBA.
        bits: bits of each channel; None for those of the array.
        chunks: chunks before the pixels, each a tuple of name and content.
        late_chunks: chunks after the pixels.
    """

    def chunk(name, content):
        return struct.pack('>I', len(content)) + name + content + struct.pack('>I', zlib.crc32(name + content))

    height, width = pixels.shape[:2]
    bits = bits or pixels.dtype.itemsize * 8
    if bits < 8:
        planes = np.unpackbits(pixels[..., None], axis=2)[..., 8 - bits :].reshape(height, -1)
        rows = [np.packbits(row).tobytes() for row in planes]
    else:
        rows = [row.astype(row.dtype.newbyteorder('>')).tobytes() for row in pixels]
    content = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, bits, color_type, 0, 0, 0))
    content += b''.join(chunk(*entry) for entry in chunks)
    content += chunk(b'IDAT', zlib.compress(b''.join(b'\0' + row for row in rows)))
    return content + b''.join(chunk(*entry) for entry in late_chunks) + chunk(b'IEND', b'')


def saved(pixels, kind, **options):
    """Return a file that Pillow has written. ``pixels`` is an array in RGB order, or a Pillow image."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def heic(pixels, bits=8, **options):
    """Return a HEIC file. Skip the test if pillow-heif is not installed.

    Args:
        pixels: array in RGB order, uint8.
        bits: bits of each channel in the file.
        options: further options of pillow-heif, such as ``exif``.
    """
    pillow_heif = pytest.importorskip('pillow_heif', reason='pillow-heif is not installed')
    file = io.BytesIO()
    if bits == 8:
        image = pillow_heif.from_pillow(Image.fromarray(pixels))
    else:
        deep = (pixels.astype(np.uint16) * 257).tobytes()
        image = pillow_heif.from_bytes('RGB;16', pixels.shape[1::-1], deep)
        options['bit_depth'] = bits
    image.save(file, quality=100, **options)
    return file.getvalue()


def encoded(pixels, suffix, *options):
    """Return a file that OpenCV has written. ``pixels`` are in RGB order."""
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    return cv2.imencode(suffix, np.ascontiguousarray(pixels), options)[1].tobytes()
