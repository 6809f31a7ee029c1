"""Each kind of image file is read with the right pixels, or refused with a clear error."""

import io
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import ROOT
from image_cases import CASES, SMOOTH, SUFFIXES, table
from image_files import PIXELS, encoded, heic
from PIL import Image

from mmderain.errors import InputError, UnreadableImageError
from mmderain.io import image_formats
from mmderain.io.folders import iter_images, list_images
from mmderain.io.image import (
    IMAGE_SUFFIXES,
    DecodedImage,
    decode_image,
    decode_image_bytes,
    image_from_pillow,
    image_size,
    write_image,
)
from mmderain.io.image_formats import FORMATS
from mmderain.io.image_header import read_header


def rgb(decoded):
    """Return the pixels of a DecodedImage in the order of a Case."""
    color = decoded.bgr[..., 0] if decoded.is_gray else decoded.bgr[..., ::-1]
    return color if decoded.alpha is None else np.dstack([color, decoded.alpha])


@pytest.mark.parametrize('case', CASES, ids=str)
def test_the_kind_is_read_or_refused(tmp_path, case):
    path = tmp_path / f'a{SUFFIXES[case.format]}'
    path.write_bytes(case.make())
    if case.pixels is None:
        for read in (decode_image, image_size):
            with pytest.raises(UnreadableImageError, match=case.refusal) as caught:
                read(path)
            assert str(caught.value).startswith(f'{path}: ')
        return
    assert image_size(path) == case.pixels.shape[:2]
    found = rgb(decode_image(path))
    assert found.shape == case.pixels.shape and found.dtype == case.pixels.dtype
    difference = np.abs(found.astype(int) - case.pixels)
    if case.tolerance < 0:  # only alpha and the visible pixels are stored
        visible = case.pixels[..., -1] > 0
        assert np.array_equal(found[..., -1], case.pixels[..., -1]) and difference[visible].max() <= 2
    else:
        assert difference.max() <= case.tolerance


#: Maps each suffix that is written to the kinds of PIXELS that it changes, and what happens to them.
WRITTEN = {
    '.png': {},
    '.tif': {},
    '.tiff': {},
    '.webp': {'gray 8': 'RGB', 'gray 16': 'RGB, 8 bits', 'RGB 16': '8 bits', 'RGBA 16': '8 bits'},
    '.bmp': {'gray 16': '8 bits', 'RGB 16': '8 bits', 'RGBA 16': '8 bits'},
    '.jpg': {'gray 16': '8 bits', 'RGB 16': '8 bits', 'RGBA 8': 'refused', 'RGBA 16': 'refused'},
}
WRITTEN['.jpeg'] = WRITTEN['.jpg']
KINDS = ['gray 8', 'gray 16', 'RGB 8', 'RGB 16', 'RGBA 8', 'RGBA 16']


def bgr(pixels):
    """Return pixels in the channel order of write_image."""
    return pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


@pytest.mark.fault(7, 'io.write_image', 'io.encode_image')
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('suffix', IMAGE_SUFFIXES)
def test_the_kind_is_written_or_refused(tmp_path, suffix, kind):
    path, pixels, rule = tmp_path / f'a{suffix}', PIXELS[kind], WRITTEN[suffix].get(kind, '')
    if suffix in ('.jpg', '.jpeg'):  # without noise, JPEG changes the pixels only a little
        pixels = np.tile(np.linspace(0, np.iinfo(pixels.dtype).max, 48).astype(pixels.dtype), (40, 1))
        pixels = pixels if PIXELS[kind].ndim == 2 else np.dstack([pixels] * PIXELS[kind].shape[2])
    if rule == 'refused':
        with pytest.raises(InputError, match=r'a\.jpe?g: cannot write transparent pixels as JPEG'):
            write_image(bgr(pixels), path)
        assert not list(tmp_path.iterdir())
        pixels[..., 3] = np.iinfo(pixels.dtype).max
    write_image(bgr(pixels), path)
    found = rgb(decode_image(path))
    if 'refused' in rule:
        pixels = pixels[..., :3]
    if pixels.dtype == np.uint16 and suffix not in ('.png', '.tif', '.tiff'):
        pixels = np.rint(pixels / 257).astype(np.uint8)
    if 'RGB' in rule:
        pixels = np.dstack([pixels] * 3)
    assert found.shape == pixels.shape and found.dtype == pixels.dtype
    assert np.abs(found.astype(int) - pixels).max() <= (3 if suffix in ('.jpg', '.jpeg') else 0)


@pytest.mark.parametrize('suffix', ['.png', '.tif', '.webp', '.bmp'])
def test_colors_of_transparent_pixels_are_kept(tmp_path, suffix):
    pixels = PIXELS['RGBA 8'].copy()
    pixels[..., 3] = np.where(pixels[..., 3] > 100, 255, 0)
    write_image(bgr(pixels), tmp_path / f'a{suffix}')
    assert np.array_equal(rgb(decode_image(tmp_path / f'a{suffix}')), pixels)


@pytest.mark.parametrize(
    'array, message',
    [
        (np.zeros((4, 4, 3), np.float32), r'found float32 of shape \(4, 4, 3\); expected uint8 or uint16, \(H, W\)'),
        (np.zeros((4, 4, 2), np.uint8), r'found uint8 of shape \(4, 4, 2\)'),
        (np.zeros((4, 4), bool), 'found bool'),
        (np.zeros((0, 4), np.uint8), r'shape \(0, 4\) has no pixels'),
        (np.zeros((), np.uint8), r'found uint8 of shape \(\)'),
        (np.ma.masked_array(np.zeros((4, 4), np.uint8)), 'found a MaskedArray; expected a plain array'),
        ([[1, 2]], r'found \[\[1, 2\]\] of type list; expected a NumPy array'),
        (None, 'found None of type NoneType; expected a NumPy array'),
    ],
)
@pytest.mark.parametrize('suffix', IMAGE_SUFFIXES)
def test_other_arrays_are_refused(tmp_path, suffix, array, message):
    with pytest.raises(InputError, match=f'a{suffix}: cannot write the array: {message}'):
        write_image(array, tmp_path / f'a{suffix}')
    with pytest.raises(InputError, match=f'^input 2: {message}'):
        DecodedImage.from_array(array, 'input 2')


def test_a_webp_image_has_a_largest_side(tmp_path):
    with pytest.raises(InputError, match='cannot write 16384x1 pixels as WebP; each side has at most 16383 pixels'):
        write_image(np.zeros((1, 16384), np.uint8), tmp_path / 'a.webp')


def written_table():
    """Return the table of the formats that are written."""
    lines = ['| suffix | ' + ' | '.join(KINDS) + ' |', '|---' * (len(KINDS) + 1) + '|']
    names = {'.png': '.png, .tif, .tiff', '.jpg': '.jpg, .jpeg'}
    for suffix in ('.png', '.webp', '.bmp', '.jpg'):
        cells = []
        for kind in KINDS:
            rule = WRITTEN[suffix].get(kind, 'kept')
            cells.append('opaque: RGB 8, transparent: refused' if rule == 'refused' else rule)
        lines.append(f'| {names.get(suffix, suffix)} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def page_parts():
    """Return the parts of docs/en/formats.md that the tests determine."""
    suffixes = ', '.join(f'`{suffix}`' for name, group in FORMATS.items() if name != 'HEIF' for suffix in group)
    return [suffixes, written_table(), *table().split('\n\n')]


def test_the_page_shows_the_tables():
    page = (ROOT / 'docs/en/formats.md').read_text(encoding='utf-8')
    for part in page_parts():
        assert part in page, f'copy this to docs/en/formats.md:\n{part}'


def test_each_format_has_cases():
    rows = {'PNG': 'PNG', 'JPEG': 'JPEG', 'TIFF': 'TIFF', 'BMP': 'BMP', 'DIB': 'DIB', 'WEBP': 'WebP', 'GIF': 'GIF'}
    rows |= {'PPM': 'PPM, PGM, PBM', 'JPEG2000': 'JPEG 2000', 'SUN': 'Sun raster', 'AVIF': 'AVIF'}
    rows |= {'HEIF': 'HEIC'}
    assert set(rows) == set(FORMATS) and set(rows.values()) == {case.format for case in CASES}


def test_reading_heic_images_does_not_change_pillow(tmp_path):
    (tmp_path / 'a.heic').write_bytes(heic(SMOOTH))
    assert list_images(tmp_path) == [Path('a.heic')] and decode_image(tmp_path / 'a.heic').bgr.shape == SMOOTH.shape
    assert 'HEIF' not in Image.OPEN


def test_heic_images_without_pillow_heif_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(image_formats, 'heic_is_readable', lambda: False)
    (tmp_path / 'a.heic').write_bytes(b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(60))
    with pytest.raises(
        UnreadableImageError, match='a.heic: .*it is a HEIC image; to read it, run `pip install pillow-'
    ):
        decode_image(tmp_path / 'a.heic')
    skipped = Counter()
    assert not list(iter_images(tmp_path, skipped=skipped)) and skipped == {'.heic': 1}


MODES = ['1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'RGBX', 'RGBa', 'La', 'I;16', 'I']


@pytest.mark.fault(7, 'io.image_from_pillow', 'io.DecodedImage')
@pytest.mark.parametrize('mode', MODES)
def test_pillow_images_are_converted(mode):
    if mode.startswith('I'):
        image = Image.fromarray(PIXELS['gray 16'].astype(np.int32 if mode == 'I' else np.uint16))
        expected = PIXELS['gray 16']
    else:
        through = {'RGBa': 'RGBA', 'La': 'LA'}.get(mode, 'RGB')
        image = Image.fromarray(PIXELS['RGBA 8']).convert(through).convert(mode)
        back = {'1': 'L', 'P': 'RGB', 'RGBX': 'RGB', 'RGBa': 'RGBA', 'La': 'LA'}.get(mode, mode)
        expected = np.asarray(image.convert(back))
    assert image.mode == mode and np.array_equal(rgb(image_from_pillow(image)), expected)


def test_pillow_images_keep_transparency_and_orientation_and_are_not_changed(tmp_path):
    for name, key in (('gray 8', int(PIXELS['gray 8'][3, 4])), ('gray 16', int(PIXELS['gray 16'][3, 4]))):
        image = Image.fromarray(PIXELS[name])
        image.info['transparency'] = key
        alpha = np.where(PIXELS[name] == key, 0, np.iinfo(PIXELS[name].dtype).max)
        assert np.array_equal(image_from_pillow(image).alpha, alpha)
    image = Image.fromarray(PIXELS['RGB 8'])
    image.getexif()[0x0112] = 6
    assert np.array_equal(rgb(image_from_pillow(image)), np.rot90(PIXELS['RGB 8'], -1))
    assert image.size == (48, 40) and image.getexif()[0x0112] == 6


@pytest.mark.parametrize('mode', ['CMYK', 'LAB', 'HSV', 'YCbCr', 'F'])
def test_pillow_images_of_other_modes_are_refused(mode):
    with pytest.raises(InputError, match=f'input 2: its color mode is {mode}; expected RGB or gray'):
        image_from_pillow(Image.new(mode, (4, 4)), 'input 2')
    with pytest.raises(InputError, match='input 3: has values from -5 to -5; expected 0 to 65535'):
        image_from_pillow(Image.new('I', (4, 4), -5), 'input 3')


def box(kind: bytes, content: bytes, long: bool = False) -> bytes:
    """Return a box of a JPEG 2000 or AVIF file. Long boxes store their length in 8 bytes."""
    if long:
        return b'\0\0\0\1' + kind + (len(content) + 16).to_bytes(8, 'big') + content
    return (len(content) + 8).to_bytes(4, 'big') + kind + content


@pytest.mark.parametrize('kind', ['gray 8', 'RGB 16'])
@pytest.mark.parametrize('long', [True, False])
def test_jpeg_2000_images_with_much_metadata_are_read(kind, long):
    """The metadata before the pixels has 70 kB, and contains the marker that starts the pixels."""
    content = encoded(PIXELS[kind], '.jp2', cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)
    at = content.index(b'jp2c') - 4
    metadata = box(b'uuid', bytes(16) + b'\xff\x4f\xff\x51' + bytes(70_000), long)
    found = decode_image_bytes(content[:at] + metadata + content[at:], 'a.jp2')
    assert np.array_equal(rgb(found), PIXELS[kind])
    stream = decode_image_bytes(content[at + 8 :], 'a.j2k')  # a code stream without boxes
    assert np.array_equal(rgb(stream), PIXELS[kind])
    for wrong, reason in ((content[:at], 'box jp2c'), (content[: at + 8] + bytes(200), 'code stream')):
        with pytest.raises(UnreadableImageError, match=f'its header has no {reason}'):
            decode_image_bytes(wrong, 'a.jp2')


def test_avif_images_with_much_metadata_are_read():
    content = encoded(PIXELS['RGB 16'] >> 6, '.avif', cv2.IMWRITE_AVIF_DEPTH, 10)
    at = content.index(b'meta') - 4
    file = io.BytesIO(content[:at] + box(b'free', b'av1C' + bytes(70_000)) + content[at:])
    assert read_header(file, 'a.avif').largest_value == 1023
