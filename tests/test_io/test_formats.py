"""Each kind of image file is read with the right pixels, or is refused by name. The page on formats lists the kinds."""

import numpy as np
import pytest
from image_cases import CASES, SUFFIXES
from image_files import PIXELS

from mmderain.errors import InputError, UnreadableImageError
from mmderain.io.image import IMAGE_SUFFIXES, decode_image, image_size, write_image


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
        (np.zeros((4, 4, 3), np.float32), r'cannot write float32 of shape \(4, 4, 3\)'),
        (np.zeros((4, 4, 2), np.uint8), r'cannot write uint8 of shape \(4, 4, 2\)'),
        (np.zeros((4, 4), bool), 'cannot write bool'),
        (np.zeros((0, 4), np.uint8), 'has no pixels'),
    ],
)
@pytest.mark.parametrize('suffix', IMAGE_SUFFIXES)
def test_other_arrays_are_refused(tmp_path, suffix, array, message):
    with pytest.raises(InputError, match=f'a{suffix}: .*{message}'):
        write_image(array, tmp_path / f'a{suffix}')


def test_a_webp_image_has_a_largest_side(tmp_path):
    with pytest.raises(InputError, match='cannot write 16384x1 pixels as WebP; each side has at most 16383 pixels'):
        write_image(np.zeros((1, 16384), np.uint8), tmp_path / 'a.webp')
