"""The kinds of image files, and what mmderain does with each kind.

CASES is the source of the table in docs/en/formats.md. tests/test_io/test_formats.py checks each case and the table.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from image_files import HEIGHT, PIXELS, RGB8, RGB16, WIDTH, encoded, heic, png, saved, tiff
from PIL import Image

_RNG = np.random.default_rng(1)


@dataclass
class Case:
    """A kind of image file.

    Attributes:
        format: row of the table.
        kind: column of the table, or a kind that the table does not show.
        make: function that returns the content of the file.
        pixels: the pixels to read, in RGB order; gray is (H, W) or (H, W, 2). None if the file is refused.
        refusal: part of the error message.
        tolerance: largest difference of the pixels, for formats with loss.
    """

    format: str
    kind: str
    make: Callable[[], bytes]
    pixels: np.ndarray | None = None
    refusal: str = ''
    tolerance: int = 0

    def __str__(self):
        return f'{self.format} {self.kind}'.replace(' ', '_')


SUFFIXES = {'PNG': '.png', 'JPEG': '.jpg', 'TIFF': '.tif', 'BMP': '.bmp', 'WebP': '.webp', 'GIF': '.gif'}
SUFFIXES |= {'PPM, PGM, PBM': '.ppm', 'JPEG 2000': '.jp2', 'AVIF': '.avif', 'Sun raster': '.ras', 'DIB': '.dib'}
SUFFIXES['HEIC'] = '.heic'
_JP2 = (cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)
#: A smooth image for the formats with loss.
SMOOTH = cv2.GaussianBlur(RGB8, (0, 0), 4)
_SMOOTH_ALPHA = np.dstack([SMOOTH, SMOOTH[..., 0]])
_PALETTE = np.array([[0, 10, 20], [200, 30, 40], [50, 160, 70], [80, 90, 255]], np.uint8)
_INDICES = _RNG.integers(0, 4, (HEIGHT, WIDTH)).astype(np.uint8)
_BITS = _RNG.integers(0, 2, (HEIGHT, WIDTH)).astype(np.uint8)
_PALETTE_ALPHA = np.array([255, 0, 128, 255], np.uint8)


def _transparent(pixels, key, top):
    """Return pixels with an alpha channel that is 0 where a pixel equals ``key``."""
    equal = pixels == key if pixels.ndim == 2 else (pixels == key).all(-1)
    return np.dstack([pixels, np.where(equal, 0, top).astype(pixels.dtype)])


_PNG_TYPES = {'gray': 0, 'RGB': 2, 'gray+alpha': 4, 'RGBA': 6}
_KEY8, _KEY16 = RGB8[3, 4], RGB16[3, 4]
_LEVELS10 = (RGB16 >> 6).astype(np.uint16)
_SCALED10 = np.rint(_LEVELS10 * (65535 / 1023)).astype(np.uint16)
_GRAY_ALPHA_TIFF = 'is a TIFF with gray and a second channel of a kind that cannot be read'
_PREMULTIPLIED = np.dstack([np.full((HEIGHT, WIDTH, 3), 60, np.uint8), np.full((HEIGHT, WIDTH), 120, np.uint8)])
_QUANTIZED = Image.fromarray(_PALETTE[_INDICES]).quantize(4)
_AVIF16 = np.full((HEIGHT, WIDTH, 3), [40, 800, 360], np.uint16)

CASES = [
    *(
        Case('PNG', kind, lambda kind=kind, p=pixels: png(p, _PNG_TYPES[kind.split()[0]]), pixels)
        for kind, pixels in PIXELS.items()
    ),
    Case('PNG', '1 bit', lambda: png(_BITS, 0, 1), _BITS * 255),
    Case('PNG', 'gray 2', lambda: png(_INDICES, 0, 2), _INDICES * 85),
    Case('PNG', 'palette', lambda: png(_INDICES, 3, 2, [(b'PLTE', _PALETTE.tobytes())]), _PALETTE[_INDICES]),
    Case(
        'PNG',
        'palette+alpha',
        lambda: png(_INDICES, 3, 2, [(b'PLTE', _PALETTE.tobytes()), (b'tRNS', _PALETTE_ALPHA.tobytes())]),
        np.dstack([_PALETTE[_INDICES], _PALETTE_ALPHA[_INDICES]]),
    ),
    Case(
        'PNG',
        'RGB 8 with a transparent color',
        lambda: png(RGB8, 2, chunks=[(b'tRNS', struct.pack('>3H', *_KEY8.tolist()))]),
        _transparent(RGB8, _KEY8, 255),
    ),
    Case(
        'PNG',
        'RGB 16 with a transparent color',
        lambda: png(RGB16, 2, chunks=[(b'tRNS', struct.pack('>3H', *_KEY16.tolist()))]),
        _transparent(RGB16, _KEY16, 65535),
    ),
    Case(
        'PNG',
        'gray 8 with a transparent level',
        lambda: png(RGB8[..., 1], 0, chunks=[(b'tRNS', struct.pack('>H', _KEY8[1]))]),
        _transparent(RGB8[..., 1], _KEY8[1], 255),
    ),
    Case(
        'PNG',
        'gray 16 with a transparent level',
        lambda: png(RGB16[..., 1], 0, chunks=[(b'tRNS', struct.pack('>H', _KEY16[1]))]),
        _transparent(RGB16[..., 1], _KEY16[1], 65535),
    ),
    Case(
        'PNG',
        'gray 2 with a transparent level',
        lambda: png(_INDICES, 0, 2, [(b'tRNS', struct.pack('>H', 2))]),
        _transparent(_INDICES * 85, 170, 255),
    ),
    Case(
        'PNG',
        '1 bit with a transparent level',
        lambda: png(_BITS, 0, 1, [(b'tRNS', struct.pack('>H', 1))]),
        _transparent(_BITS * 255, 255, 255),
    ),
    Case('JPEG', 'gray 8', lambda: saved(SMOOTH[..., 1], 'JPEG', quality=98), SMOOTH[..., 1], tolerance=4),
    Case('JPEG', 'RGB 8', lambda: saved(SMOOTH, 'JPEG', quality=98, subsampling=0), SMOOTH, tolerance=6),
    Case('JPEG', 'CMYK', lambda: saved(Image.fromarray(RGB8).convert('CMYK'), 'JPEG'), None, 'color mode is CMYK'),
    Case(
        'JPEG',
        'several images (MPO)',
        lambda: saved(SMOOTH, 'MPO', save_all=True, append_images=[Image.new('RGB', (8, 8))], quality=98),
        SMOOTH,
        tolerance=30,
    ),
    *(
        Case('TIFF', kind, lambda p=pixels: tiff(p, extra=2 if p.ndim == 3 and p.shape[2] in (2, 4) else None), pixels)
        for kind, pixels in PIXELS.items()
        if kind != 'gray+alpha 16'
    ),
    Case('TIFF', 'gray+alpha 16', lambda: tiff(PIXELS['gray+alpha 16'], extra=2), None, _GRAY_ALPHA_TIFF),
    Case('TIFF', 'gray 8, min-is-white', lambda: tiff(255 - RGB8[..., 1], 0), RGB8[..., 1]),
    Case('TIFF', 'gray 16, min-is-white', lambda: tiff(65535 - RGB16[..., 1], 0), RGB16[..., 1]),
    Case('TIFF', 'gray 16, min-is-white, big-endian', lambda: tiff(65535 - RGB16[..., 1], 0, order='>'), RGB16[..., 1]),
    Case('TIFF', 'RGB 16, big-endian', lambda: tiff(RGB16, order='>'), RGB16),
    Case('TIFF', 'RGB 8, planar', lambda: tiff(RGB8, planar=True), RGB8),
    Case('TIFF', 'RGBA 8, planar', lambda: tiff(PIXELS['RGBA 8'], extra=2, planar=True), PIXELS['RGBA 8']),
    Case('TIFF', 'RGB 16, planar', lambda: tiff(RGB16, planar=True), None, 'is a planar TIFF with 16 bits'),
    Case('TIFF', 'RGBA 8, alpha not declared', lambda: tiff(PIXELS['RGBA 8']), PIXELS['RGBA 8']),
    Case('TIFF', 'RGBA 8, unspecified channel', lambda: tiff(PIXELS['RGBA 8'], extra=0), PIXELS['RGBA 8']),
    Case('TIFF', 'RGBA 16, unspecified channel', lambda: tiff(PIXELS['RGBA 16'], extra=0), PIXELS['RGBA 16']),
    Case(
        'TIFF',
        'RGBA 8, premultiplied alpha',
        lambda: tiff(_PREMULTIPLIED, extra=1),
        np.dstack([np.full((HEIGHT, WIDTH, 3), 128, np.uint8), _PREMULTIPLIED[..., 3]]),  # 60 * 255 / 120 = 127.5
    ),
    Case(
        'TIFF',
        'RGBA 16, premultiplied alpha',
        lambda: tiff(_PREMULTIPLIED.astype(np.uint16) * 256, extra=1, order='>'),
        np.dstack([np.full((HEIGHT, WIDTH, 3), 32768, np.uint16), np.full((HEIGHT, WIDTH), 120 * 256, np.uint16)]),
    ),
    Case('TIFF', '1 bit', lambda: saved(Image.fromarray(_BITS.astype(bool)), 'TIFF'), _BITS * 255),
    Case(
        'TIFF',
        '1 bit, fax compression',
        lambda: saved(Image.fromarray(_BITS > 0), 'TIFF', compression='group4'),
        _BITS * 255,
    ),
    Case('TIFF', 'RGB 8, LZW', lambda: saved(RGB8, 'TIFF', compression='tiff_lzw'), RGB8),
    Case('TIFF', 'RGB 16, LZW', lambda: encoded(RGB16, '.tif'), RGB16),
    Case('TIFF', 'RGB 8, BigTIFF', lambda: saved(RGB8, 'TIFF', big_tiff=True), RGB8),
    Case(
        'TIFF',
        'palette',
        lambda: saved(_QUANTIZED, 'TIFF'),
        _PALETTE[_INDICES],
        tolerance=2,
    ),
    Case('TIFF', 'Lab 8', lambda: tiff(RGB8, 8), None, 'color mode is LAB'),
    Case('TIFF', 'Lab 16', lambda: tiff(RGB16, 8), None, 'color mode is LAB'),
    Case('TIFF', 'CMYK', lambda: tiff(PIXELS['RGBA 8'], 5), None, 'color mode is CMYK'),
    Case('TIFF', 'gray 8, signed', lambda: tiff(RGB8[..., 1], sample_format=2), None, 'has signed values'),
    Case('TIFF', 'RGB 16, signed', lambda: tiff(RGB16, sample_format=2), None, 'has signed values'),
    Case('TIFF', 'gray 32', lambda: tiff(RGB16[..., 1].astype(np.uint32)), None, 'has 32 bits'),
    Case(
        'TIFF',
        'gray 32, floating-point',
        lambda: tiff(RGB16[..., 1].astype(np.float32), sample_format=3),
        None,
        'has floating-point values',
    ),
    Case('TIFF', 'five channels', lambda: tiff(np.dstack([RGB8, RGB8[..., :2]])), None, 'has 5 channels'),
    Case(
        'TIFF',
        'several pages',
        lambda: saved(RGB8, 'TIFF', save_all=True, append_images=[Image.fromarray(RGB8)] * 2),
        None,
        'has 3 frames',
    ),
    Case('BMP', 'gray 8', lambda: encoded(RGB8[..., 1], '.bmp'), RGB8[..., 1]),
    Case('BMP', 'RGB 8', lambda: saved(RGB8, 'BMP'), RGB8),
    Case('BMP', 'RGBA 8', lambda: saved(PIXELS['RGBA 8'], 'BMP'), PIXELS['RGBA 8']),
    Case(
        'BMP',
        'RGBA 8, fourth byte always 0',
        lambda: saved(np.dstack([RGB8, PIXELS['RGBA 8'][..., 3] * 0]), 'BMP'),
        RGB8,
    ),
    Case('BMP', '1 bit', lambda: saved(Image.fromarray(_BITS > 0), 'BMP'), _BITS * 255),
    Case('BMP', 'palette', lambda: saved(_QUANTIZED, 'BMP'), _PALETTE[_INDICES], tolerance=2),
    Case('DIB', 'RGB 8', lambda: saved(RGB8, 'DIB'), RGB8),
    Case('DIB', 'RGBA 8', lambda: saved(PIXELS['RGBA 8'], 'DIB'), PIXELS['RGBA 8']),
    Case('Sun raster', 'gray 8', lambda: encoded(RGB8[..., 1], '.ras'), RGB8[..., 1]),
    Case('Sun raster', 'RGB 8', lambda: encoded(RGB8, '.ras'), RGB8),
    Case('WebP', 'RGB 8', lambda: saved(RGB8, 'WEBP', lossless=True), RGB8),
    Case('WebP', 'RGBA 8', lambda: saved(PIXELS['RGBA 8'], 'WEBP', lossless=True, exact=True), PIXELS['RGBA 8']),
    Case('GIF', 'palette', lambda: saved(_QUANTIZED, 'GIF'), _PALETTE[_INDICES], tolerance=2),
    Case(
        'GIF',
        'palette+alpha',
        lambda: saved(Image.fromarray(_transparent(_PALETTE[_INDICES], _PALETTE[1], 255)), 'GIF'),
        _transparent(_PALETTE[_INDICES], _PALETTE[1], 255),
        tolerance=-1,
    ),
    Case(
        'GIF',
        'several images',
        lambda: saved(RGB8, 'GIF', save_all=True, append_images=[Image.fromarray(255 - RGB8)]),
        None,
        'has 2 frames',
    ),
    Case('PPM, PGM, PBM', 'gray 8', lambda: encoded(RGB8[..., 1], '.pgm'), RGB8[..., 1]),
    Case('PPM, PGM, PBM', 'gray 16', lambda: encoded(RGB16[..., 1], '.pgm'), RGB16[..., 1]),
    Case('PPM, PGM, PBM', 'RGB 8', lambda: encoded(RGB8, '.ppm'), RGB8),
    Case('PPM, PGM, PBM', 'RGB 16', lambda: encoded(RGB16, '.ppm'), RGB16),
    Case('PPM, PGM, PBM', 'RGB 10', lambda: b'P6 48 40 1023\n' + _LEVELS10.astype('>u2').tobytes(), _SCALED10),
    Case(
        'PPM, PGM, PBM',
        'gray 10',
        lambda: b'P5 48 40 1023\n' + _LEVELS10[..., 1].astype('>u2').tobytes(),
        _SCALED10[..., 1],
    ),
    Case('PPM, PGM, PBM', 'RGB 8 as text', lambda: f'P3 48 40 255 {" ".join(map(str, RGB8.ravel()))} '.encode(), RGB8),
    Case(
        'PPM, PGM, PBM',
        'RGB 16 as text',
        lambda: f'P3 48 40 65535 {" ".join(map(str, RGB16.ravel()))} '.encode(),
        None,
        'more than 8 bits as text',
    ),
    Case('PPM, PGM, PBM', '1 bit', lambda: saved(Image.fromarray(_BITS > 0), 'PPM'), _BITS * 255),
    *(
        Case('JPEG 2000', kind, lambda p=PIXELS[kind]: encoded(p, '.jp2', *_JP2), PIXELS[kind])
        for kind in ('gray 8', 'gray 16', 'RGB 8', 'RGB 16', 'RGBA 8', 'RGBA 16')
    ),
    Case(
        'JPEG 2000',
        'gray+alpha 8',
        lambda: saved(Image.fromarray(PIXELS['gray+alpha 8'], 'LA'), 'JPEG2000'),
        PIXELS['gray+alpha 8'],
    ),
    Case('AVIF', 'gray 8', lambda: saved(SMOOTH[..., 1], 'AVIF', quality=100), SMOOTH[..., 1], tolerance=4),
    Case('AVIF', 'RGB 8', lambda: saved(SMOOTH, 'AVIF', quality=100, subsampling='4:4:4'), SMOOTH, tolerance=8),
    Case(
        'AVIF',
        'RGBA 8',
        lambda: saved(_SMOOTH_ALPHA, 'AVIF', quality=100, subsampling='4:4:4'),
        _SMOOTH_ALPHA,
        tolerance=8,
    ),
    Case(
        'AVIF',
        'RGB 10',
        lambda: encoded(_AVIF16, '.avif', cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100),
        np.rint(_AVIF16 * (65535 / 1023)).astype(np.uint16),
        tolerance=130,
    ),
    Case('HEIC', 'gray 8', lambda: heic(SMOOTH[..., 1]), SMOOTH[..., 1], tolerance=4),
    Case('HEIC', 'RGB 8', lambda: heic(SMOOTH), SMOOTH, tolerance=12),
    Case('HEIC', 'RGBA 8', lambda: heic(_SMOOTH_ALPHA), _SMOOTH_ALPHA, tolerance=12),
    Case('HEIC', 'RGB 10', lambda: heic(SMOOTH, 10), SMOOTH, tolerance=12),
]


#: Columns of the table in docs/en/formats.md.
COLUMNS = [*PIXELS, 'palette', 'palette+alpha', '1 bit']


def table() -> str:
    """Return the table of the formats, and the list of the other kinds."""
    cells = {(case.format, case.kind): case for case in CASES}

    def cell(row: str, column: str) -> str:
        case = cells.get((row, column))
        if case is None or case.pixels is None:
            return '–' if case is None else 'refused'
        return {'palette': 'RGB', 'palette+alpha': 'RGBA', '1 bit': 'gray 8'}.get(column, 'kept')

    lines = ['| | ' + ' | '.join(COLUMNS) + ' |', '|---' * (len(COLUMNS) + 1) + '|']
    lines += [f'| {row} | ' + ' | '.join(cell(row, column) for column in COLUMNS) + ' |' for row in SUFFIXES]
    lines += ['', '| format | other kinds | result |', '|---|---|---|']
    for case in CASES:
        if case.kind not in COLUMNS:
            pixels = case.pixels
            if pixels is None:
                result = f'refused: "{case.refusal}"'
            else:
                channels = {2: 'gray', 3: 'RGB'}[pixels.ndim] if pixels.ndim == 2 or pixels.shape[2] == 3 else ''
                channels = channels or {2: 'gray+alpha', 4: 'RGBA'}[pixels.shape[2]]
                result = f'{channels} {8 * pixels.dtype.itemsize}'
            lines.append(f'| {case.format} | {case.kind} | {result} |')
    return '\n'.join(lines)
