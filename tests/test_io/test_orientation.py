"""All readers apply the orientation of a file as PIL.ImageOps.exif_transpose does."""

import io

import numpy as np
import pytest
from image_files import RGB8, RGB16, heic, png, saved, tiff
from PIL import Image, ImageOps

from mmderain.io.image import decode_image, image_size
from mmderain.io.image_formats import open_with_pillow

SMALL8, SMALL16 = RGB8[:30, :44], RGB16[:30, :44]


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def xmp(orientation):
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()


def late_exif(orientation):
    return png(SMALL8, 2, late_chunks=[(b'eXIf', exif(orientation).tobytes()[6:])])


#: Maps the name of a kind of file to its suffix and to a function from an orientation to the content of the file.
FILES = {
    'JPEG': ('.jpg', lambda o: saved(SMALL8, 'JPEG', exif=exif(o), quality=95)),
    'JPEG gray': ('.jpg', lambda o: saved(SMALL8[..., 0], 'JPEG', exif=exif(o), quality=95)),
    'JPEG with XMP': ('.jpg', lambda o: saved(SMALL8, 'JPEG', xmp=xmp(o), quality=95)),
    'MPO': (
        '.jpg',
        lambda o: saved(SMALL8, 'MPO', exif=exif(o), save_all=True, append_images=[Image.new('L', (9, 9))]),
    ),
    'PNG': ('.png', lambda o: saved(SMALL8, 'PNG', exif=exif(o))),
    'PNG with EXIF data after the pixels': ('.png', late_exif),
    'PNG gray 16': ('.png', lambda o: saved(SMALL16[..., 0], 'PNG', exif=exif(o))),
    'PNG RGB 16': ('.png', lambda o: png(SMALL16, 2, chunks=[(b'eXIf', exif(o).tobytes()[6:])])),
    'PNG palette': ('.png', lambda o: saved(Image.fromarray(SMALL8).quantize(16), 'PNG', exif=exif(o))),
    'WebP': ('.webp', lambda o: saved(SMALL8, 'WEBP', exif=exif(o), lossless=True)),
    'TIFF': ('.tif', lambda o: tiff(SMALL8, orientation=o)),
    'TIFF by Pillow': ('.tif', lambda o: saved(SMALL8, 'TIFF', exif=exif(o), compression='tiff_lzw')),
    'TIFF gray': ('.tif', lambda o: tiff(SMALL8[..., 0], orientation=o)),
    'TIFF gray 16': ('.tif', lambda o: tiff(SMALL16[..., 0], orientation=o)),
    'TIFF RGB 16': ('.tif', lambda o: tiff(SMALL16, orientation=o)),
    'TIFF RGB 16 big-endian': ('.tif', lambda o: tiff(SMALL16, orientation=o, order='>')),
    'TIFF RGBA 8': ('.tif', lambda o: tiff(np.dstack([SMALL8, SMALL8[..., 0]]), orientation=o, extra=0)),
    'AVIF': ('.avif', lambda o: saved(SMALL8, 'AVIF', exif=exif(o), quality=90)),
    'HEIC': ('.heic', lambda o: heic(SMALL8, exif=exif(o).tobytes())),
}


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('kind', FILES)
def test_the_image_is_upright(tmp_path, kind, orientation):
    suffix, make = FILES[kind]
    path = tmp_path / f'a{suffix}'
    path.write_bytes(make(orientation))
    # Pillow maps a file with a path to memory, and then rotates some TIFF images wrongly. It does not map a buffer.
    content = io.BytesIO(path.read_bytes())
    with open_with_pillow(content, 'HEIF') if kind == 'HEIC' else Image.open(content) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert('RGB'))
    deep = kind.endswith(('16', 'endian'))
    if deep:  # Pillow has reduced the pixels. Rotate them by the same rule instead.
        pixels = SMALL16[..., 0] if 'gray' in kind else SMALL16
        expected = np.dstack([upright(plane, orientation) for plane in np.atleast_3d(pixels).transpose(2, 0, 1)])
        expected = np.repeat(expected, 3 // expected.shape[2], axis=2)
    decoded = decode_image(path)
    assert np.array_equal(decoded.bgr[..., ::-1], expected)
    assert image_size(path) == image_size(path, decode=True) == expected.shape[:2]


def upright(plane, orientation):
    """Return a plane as exif_transpose rotates it. Pillow rotates an image of the pixel numbers."""
    numbers = Image.fromarray(np.arange(plane.size, dtype=np.int32).reshape(plane.shape))
    numbers.getexif()[0x0112] = orientation
    return plane.ravel()[np.asarray(ImageOps.exif_transpose(numbers))]


def test_damaged_exif_data_count_as_upright(tmp_path):
    content = saved(SMALL8, 'JPEG', exif=b'Exif\0\0MM\0*\0\0\0\x08\xff\xff' + bytes(20))
    (tmp_path / 'a.jpg').write_bytes(content)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert('RGB'))
    assert np.array_equal(decode_image(tmp_path / 'a.jpg').bgr[..., ::-1], expected)
