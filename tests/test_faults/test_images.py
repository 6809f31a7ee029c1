"""Every command, tool and function that reads images gets the same pixels, and reports the same files as faulty."""

import io
import os
import re
import sys

import cv2
import numpy as np
import pytest
from image_cases import CASES, SUFFIXES
from image_files import RGB8, RGB16, encoded, png, saved, tiff
from PIL import Image, ImageOps

from mmderain import cli
from mmderain.apis import DerainInferencer
from mmderain.io import decode_image

from .places import Place
from .ways import WAYS

#: The first image that cannot be read ends these programs, because a measurement without it would be wrong.
ENDS_AT_ERROR = ('tools/test.py',)


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Rotate and mirror an array as Pillow does. Pillow moves the numbers of the pixels."""
    numbers = Image.fromarray(np.arange(array.shape[0] * array.shape[1], dtype=np.int32).reshape(array.shape[:2]))
    numbers.getexif()[0x0112] = orientation
    return array.reshape(-1, *array.shape[2:])[np.asarray(ImageOps.exif_transpose(numbers))]


def by_pillow(content: bytes) -> np.ndarray:
    """Decode an 8-bit file with Pillow alone. Return RGB."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert('RGB'))


def color(pixels: np.ndarray) -> np.ndarray:
    """Return the color of pixels in the order of a Case as BGR (H, W, 3)."""
    plain = pixels if pixels.ndim == 2 else pixels[..., 0] if pixels.shape[2] == 2 else pixels[..., :3]
    return np.dstack([plain] * 3) if plain.ndim == 2 else plain[..., ::-1]


LATE = png(RGB8, 2, late_chunks=[(b'eXIf', exif(2).tobytes()[6:])])
#: Kind 6: maps the name of a file to its content and its pixels in RGB order. None: those that Pillow decodes.
ROTATED = {
    'jpeg5.jfif': (saved(RGB8, 'JPEG', exif=exif(5)), None),
    'gray6.jpe': (saved(RGB8[..., 0], 'JPEG', exif=exif(6)), None),
    'camera8.mpo': (saved(RGB8, 'MPO', exif=exif(8), save_all=True, append_images=[Image.new('RGB', (8, 8))]), None),
    'late2.png': (LATE, upright(RGB8, 2)),
    'deep7.png': (png(RGB16, 2, chunks=[(b'eXIf', exif(7).tobytes()[6:])]), upright(RGB16, 7)),
    'gray5.png': (png(RGB16[..., 0], 0, chunks=[(b'eXIf', exif(5).tobytes()[6:])]), upright(RGB16[..., 0], 5)),
    'tiff3.tif': (tiff(RGB8, orientation=3), upright(RGB8, 3)),
    'deep8.tif': (tiff(RGB16, orientation=8, order='>'), upright(RGB16, 8)),
    'white6.tiff': (tiff(65535 - RGB16[..., 0], 0, orientation=6), upright(RGB16[..., 0], 6)),
    'webp7.webp': (saved(RGB8, 'WEBP', lossless=True, exif=exif(7)), upright(RGB8, 7)),
    'avif4.avif': (saved(RGB8, 'AVIF', exif=exif(4)), None),
}
#: Kind 7: files without loss of all depths and kinds of channels.
DEEP = {
    f'{number}{SUFFIXES[case.format]}': (case.make(), case.pixels)
    for number, case in enumerate(CASES)
    if case.pixels is not None and case.tolerance == 0 and case.format in ('PNG', 'TIFF', 'BMP', 'WebP')
}
#: Kind 8: formats that are rare, or have a suffix of another format.
RARE = {
    'a.apng': (saved(RGB8, 'PNG'), RGB8),
    'b.mpo': (saved(RGB8, 'MPO', save_all=True, append_images=[Image.new('RGB', (8, 8))]), None),
    'c.jfif': (saved(RGB8, 'JPEG', progressive=True), None),
    'd.gif': (saved(Image.fromarray(RGB8).quantize(16), 'GIF'), None),
    'e.avif': (saved(RGB8, 'AVIF'), None),
    'f.jp2': (encoded(RGB16, '.jp2', cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000), RGB16),
    'g.j2k': (saved(RGB8, 'JPEG2000', no_jp2=True), RGB8),
    'h.ppm': (encoded(RGB16, '.ppm'), RGB16),
    'i.pgm': (encoded(RGB8[..., 0], '.pgm'), RGB8[..., 0]),
    'j.pbm': (
        saved(Image.fromarray(RGB8).convert('1'), 'PPM'),
        np.asarray(Image.fromarray(RGB8).convert('1')) * np.uint8(255),
    ),
    'k.ras': (encoded(RGB8, '.ras'), RGB8),
    'l.dib': (saved(RGB8, 'DIB'), RGB8),
    'm.tif': (saved(RGB8, 'TIFF', big_tiff=True, compression='tiff_lzw'), RGB8),
    'n.bmp': (png(RGB8, 2), RGB8),
    'o.PnG': (saved(RGB8, 'WEBP', lossless=True), RGB8),
}
#: Files that are refused, and a part of the error message.
REFUSED = {
    'cmyk.jfif': (saved(Image.fromarray(RGB8).convert('CMYK'), 'JPEG'), 'color mode is CMYK'),
    'float.tif': (tiff(RGB8.astype(np.float32), sample_format=3), 'has floating-point values'),
    'planar.tif': (tiff(RGB16, planar=True), 'is a planar TIFF with 16 bits'),
    'frames.gif': (saved(RGB8, 'GIF', save_all=True, append_images=[Image.fromarray(255 - RGB8)]), 'has 2 frames'),
}
#: Kind 9: damaged files, and good files with names that are long or no text.
DAMAGED = {
    'cut.tif': (encoded(RGB16, '.tif')[:3000], 'cannot be read as an image'),
    'half.jfif': (saved(RGB8, 'JPEG')[:-300], 'cannot be read as an image|the end of the file is missing'),
    'empty.png': (b'', 'cannot be read as an image .it is empty'),
    'text.png': (b'This is a text, and no image.', 'cannot be read as an image'),
}
NAMES = ['%03d.png', '-x.png', 'a:b #%20{1}.png', 'c[1]*.png', 'c1x.png', '雨.png', 'ä' * 125 + 'b.png']
NAMES += [os.fsdecode(b'\xff\xe4.png')] if sys.platform != 'win32' else []
NAMED = {name: (png(np.roll(RGB8, number, 1), 2), np.roll(RGB8, number, 1)) for number, name in enumerate(NAMES)}
#: Faulty files that Pillow refuses, or of which it reads less than they contain, when the user opens them.
OPENED_BY_USER = ('planar.tif', 'float.tif', 'frames.gif', 'cut.tif', 'empty.png', 'text.png')
#: Files that Pillow opens with fewer bits or channels than they have.
NOT_BY_PILLOW = {
    name for name, (_, pixels) in (ROTATED | RARE).items() if pixels is not None and pixels.dtype == np.uint16
}
NOT_BY_PILLOW |= {name for name, (_, pixels) in DEEP.items() if pixels.dtype == np.uint16 or name.endswith('.tif')}


def interfaces(kind: int):
    """Return the parameters of a test for each way, with the marker."""
    return pytest.mark.parametrize(
        'name', [pytest.param(name, marks=pytest.mark.fault(kind, name)) for name in WAYS], ids=WAYS
    )


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that reads files through an interface, and compares the pixels and the errors."""

    def check(name: str, good: dict, bad: dict) -> None:
        if name == 'io.image_from_pillow':
            good = {file: entry for file, entry in good.items() if file not in NOT_BY_PILLOW}
            bad = {file: entry for file, entry in bad.items() if file not in OPENED_BY_USER}
        if name in ENDS_AT_ERROR and bad:
            bad = dict(list(bad.items())[:1])
        exact = {file: color(by_pillow(c) if pixels is None else pixels) for file, (c, pixels) in good.items()}
        place = Place(tmp_path, {file: entry[0] for file, entry in (good | bad).items()}, exact, monkeypatch, capsys)
        found = WAYS[name](place)
        if not (name in ENDS_AT_ERROR and bad):
            wrong = [file for file, pixels in place.expected.items() if not np.array_equal(found.get(file, ''), pixels)]
            assert not wrong, {file: found.get(file) for file in wrong}
        for file, (_, message) in bad.items():
            assert isinstance(found.get(file), str), f'{file}: no error'
            assert re.search(message, found[file]), found[file]

    return check


@interfaces(6)
def test_images_are_upright(run, name):
    run(name, ROTATED, {})


@interfaces(7)
def test_all_depths_and_channels_have_the_right_colors(run, name):
    run(name, DEEP, {})


#: Files whose results keep their format, depth and transparency, by a derainer that changes nothing.
KEPT = {name: entry for name, entry in DEEP.items() if name.endswith(('.png', '.tif')) and entry[1].ndim == 3}


@pytest.mark.parametrize(
    'name',
    [pytest.param(name, marks=pytest.mark.fault(7, name)) for name in ('mmderain derain', 'apis.DerainInferencer')],
)
def test_results_keep_depth_and_transparency(tmp_path, monkeypatch, capsys, name):
    exact = {file: color(pixels) for file, (_, pixels) in KEPT.items()}
    Place(tmp_path, {file: entry[0] for file, entry in KEPT.items()}, exact, monkeypatch, capsys)
    if name == 'mmderain derain':
        assert cli.main(['derain', 'in', '--out', 'out', '--model', 'net.py', '--weights', 'net.pth']) == 0
    else:
        assert DerainInferencer('net.py', 'net.pth')('in', out_dir='out').failures == {}
    for file, (_, pixels) in KEPT.items():
        found = decode_image(tmp_path / 'out' / file)
        assert np.array_equal(found.bgr, exact[file]) and found.bgr.dtype == pixels.dtype, file
        if pixels.shape[2] in (2, 4):
            assert np.array_equal(found.alpha, pixels[..., -1]), file
        else:
            assert found.alpha is None, file


@interfaces(8)
def test_rare_formats_are_read_or_refused_by_name(run, name):
    run(name, RARE, REFUSED)


@interfaces(9)
def test_damaged_files_cost_only_themselves_and_names_may_be_odd(run, name):
    run(name, NAMED, DAMAGED)


#: Files about which libtiff, OpenJPEG or Pillow print messages of their own. The photograph can be read.
NOISY = {
    'cut.tif': encoded(RGB16, '.tif')[:3000],
    'cut.jp2': encoded(RGB16, '.jp2', cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)[:900],
    'metadata.jpg': saved(RGB8, 'JPEG', exif=b'Exif\0\0MM\0*\0\0\0\x08\xff\xff' + bytes(20)),
}


@pytest.mark.fault(9, 'mmderain derain')
def test_each_damaged_file_costs_one_line(tmp_path, monkeypatch, capfd):
    Place(tmp_path, NOISY, {}, monkeypatch, capfd)
    assert cli.main(['derain', 'in', '--out', 'out', '--model', 'net.py', '--weights', 'net.pth']) == 1
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition(': cannot')[0] for line in lines] == ['error: in/cut.jp2', 'error: in/cut.tif']
