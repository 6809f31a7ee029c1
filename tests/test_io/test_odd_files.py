"""Files that are no usual image files are read, or give one clear error, in each way to read them."""

import os
import struct
import sys
import zlib

import cv2
import numpy as np
import pytest
import torch
from image_files import RGB8, RGB16, encoded, png, saved
from PIL import Image

from mmderain.apis import DerainInferencer
from mmderain.cli import main
from mmderain.datasets.transforms import LoadImageFromFile
from mmderain.errors import InputError
from mmderain.io import decode_image, image_size, read_image, write_image
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS

pytestmark = pytest.mark.skipif(sys.platform == 'win32', reason='Windows has no such files')


@MODELS.register_module()
class SameOdd(torch.nn.Module):
    """Network without weights that returns its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


EXIF = Image.Exif()
EXIF[0x0112] = 6
#: A text of 100 MB, which Pillow refuses.
TEXT = (b'zTXt', b'Comment\0\0' + zlib.compress(bytes(10**8)))
XMP = (b'iTXt', b'XML:com.adobe.xmp\0\1\0\0\0' + zlib.compress(bytes(3 * 10**6)))


def interlaced() -> bytes:
    """Return RGB8 as an interlaced PNG file: seven images of a part of the pixels each."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = [b'\0' + row.tobytes() for x, y, dx, dy in passes for row in RGB8[y::dy, x::dx]]
    head = struct.pack('>IIBBBBB', RGB8.shape[1], RGB8.shape[0], 8, 2, 0, 0, 1)
    chunks = [(b'IHDR', head), (b'IDAT', zlib.compress(b''.join(rows))), (b'IEND', b'')]
    parts = [struct.pack('>I', len(c)) + n + c + struct.pack('>I', zlib.crc32(n + c)) for n, c in chunks]
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def pixels_565() -> tuple[bytes, np.ndarray]:
    """Return a BMP file with 16 bits for each pixel, and the red channel."""
    red, green, blue = (RGB8[..., channel].astype(np.uint16) for channel in range(3))
    packed = (red >> 3 << 11 | green >> 2 << 5 | blue >> 3)[::-1]
    head = struct.pack('<IiiHHIIiiII', 40, 48, 40, 1, 16, 3, packed.nbytes, 0, 0, 0, 0)
    masks = struct.pack('<III', 0xF800, 0x7E0, 0x1F)
    content = b'BM' + struct.pack('<IHHI', 66 + packed.nbytes, 0, 0, 66) + head + masks + packed.tobytes()
    return content, (red >> 3) * 255 // 31


#: Maps the name of a file to its content and its pixels in RGB order; None: those that OpenCV reads.
READABLE = {
    'long text.png': (png(RGB8, 2, chunks=[TEXT]), RGB8),
    'long late text.png': (png(RGB8, 2, late_chunks=[TEXT]), RGB8),
    'long XMP.png': (png(RGB8, 2, chunks=[XMP]), RGB8),
    'EXIF and long text.png': (png(RGB8, 2, chunks=[(b'eXIf', EXIF.tobytes()[6:]), TEXT]), np.rot90(RGB8, -1)),
    'interlaced.png': (interlaced(), RGB8),
    'damaged profile.png': (png(RGB8, 2, chunks=[(b'iCCP', b'x\0\0' + zlib.compress(b'bad'))]), RGB8),
    'line feed at the end.ppm': (encoded(RGB8, '.ppm') + b'\n', RGB8),
    'a\nb.png': (png(RGB8, 2), RGB8),
    '-a.png': (png(RGB8, 2), RGB8),
    '%03d.png': (png(RGB8, 2), RGB8),
    'a{0..3}[1] #%20.PnG': (png(RGB8, 2), RGB8),
    '.png': (png(RGB8, 2), RGB8),
    'progressive.jpg': (saved(RGB8, 'JPEG', progressive=True), None),
    'text after the end.jpg': (saved(RGB8, 'JPEG') + b'text' * 99, None),
    'PNG.Jpeg': (png(RGB8, 2), RGB8),
}
REFUSED = {
    'animation.png': (saved(RGB8, 'PNG', save_all=True, append_images=[Image.new('RGB', (48, 40))]), 'has 2 frames'),
    'animation.webp': (saved(RGB8, 'WEBP', save_all=True, append_images=[Image.new('RGB', (48, 40))]), 'has 2 frames'),
    'two.ppm': (encoded(RGB8, '.ppm') * 2, 'has 2 frames'),
    'two 16.ppm': (encoded(RGB16, '.ppm') * 2, 'has 2 frames'),
    'two.pgm': (encoded(RGB8[..., 0], '.pgm') * 2, 'has 2 frames'),
    'two.pbm': (saved(Image.fromarray(RGB8).convert('1'), 'PPM') * 2, 'has 2 frames'),
    'empty.png': (b'', 'it is empty'),
    'page.jpg': (b'<!DOCTYPE html><html>404</html>' * 9, 'it is damaged or of an unknown format'),
    'pointer.png': (b'version https://git-lfs.github.com/spec/v1\n', 'it is damaged or of an unknown format'),
    'cut interlaced.png': (interlaced()[:2000], 'the end of the file is missing'),
    'cut progressive.jpg': (saved(RGB8, 'JPEG', progressive=True)[:-200], 'the end of the file is missing'),
    'icon.png': (saved(RGB8, 'ICO'), 'it is damaged or of an unknown format'),
}


def command(folder, *arguments):
    (folder / 'net.py').write_text("model = dict(type='mmderain.Derainer', network=dict(type='SameOdd'))\n")
    torch.save(dict(state_dict={}), folder / 'net.pth')
    return main(['derain', '--model', str(folder / 'net.py'), '--weights', str(folder / 'net.pth'), *arguments])


def derain(path):
    return DerainInferencer(dict(model=dict(type='mmderain.Derainer', network=dict(type='SameOdd'))))(path)


READERS = {
    'read_image': read_image,
    'decode_image': lambda path: decode_image(path).bgr,
    'LoadImageFromFile': lambda path: LoadImageFromFile()(dict(img_path=str(path)))['img'],
    'DerainInferencer': lambda path: derain(path).predictions[0],
}


@pytest.mark.parametrize('name', READABLE)
def test_the_file_is_read(tmp_path, name, capfd):
    path, (content, pixels) = tmp_path / name, READABLE[name]
    path.write_bytes(content)
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), 1) if pixels is None else pixels[..., ::-1]
    for read in READERS.values():
        assert np.array_equal(read(path), expected)
    assert image_size(path) == expected.shape[:2]
    assert command(tmp_path, '--out', str(tmp_path / 'out'), str(path)) == 0
    (result,) = (tmp_path / 'out').iterdir()
    assert result.name == {'.png': '.png.png'}.get(name, name.replace('.ppm', '.png'))
    if result.suffix.lower() == '.png':
        assert np.array_equal(read_image(result), expected)


def test_pixels_of_16_bits_in_a_bmp_file(tmp_path):
    content, red = pixels_565()
    (tmp_path / 'a.bmp').write_bytes(content)
    assert np.array_equal(read_image(tmp_path / 'a.bmp')[..., 2], red)


def special(folder, name):
    """Create a file, link, pipe or path that is no image, and return its path and the error message."""
    path = folder / f'{name}.png'
    if name == 'pipe':
        os.mkfifo(path)
        return path, 'is a pipe or a device; expected an image file'
    if name == 'loop':
        path.symlink_to(path.name)
        return path, r'cannot be opened \(Too many levels of symbolic links\)'
    if name == 'link':
        path.symlink_to('missing')
        return path, 'is a link to a missing file'
    if name == 'device':
        path.symlink_to('/dev/zero')
        return path, 'is a pipe or a device; expected an image file'
    if name == 'folder':
        path.mkdir()
        return path, 'is a folder; expected an image file'
    path.write_bytes(REFUSED[name][0])
    return path, REFUSED[name][1]


@pytest.mark.parametrize('name', [*REFUSED, 'pipe', 'loop', 'link', 'device', 'folder'])
def test_the_file_is_refused_by_name(tmp_path, name, capsys):
    path, message = special(tmp_path, name)
    readers = dict(READERS) if name in REFUSED else {**READERS, 'image_size': image_size}
    if name == 'folder':
        del readers['DerainInferencer']  # it derains the images in the folder
    for reader, read in readers.items():
        is_missing = reader == 'DerainInferencer' and name in ('loop', 'link')
        expected = 'no such image, video or folder' if is_missing else message
        with pytest.raises((InputError, FileNotFoundError), match=expected) as caught:
            read(path)
        assert str(caught.value).startswith(f'{path}: ')
    if name != 'folder':
        (tmp_path / 'in').mkdir()
        path.rename(tmp_path / 'in' / path.name)
        (tmp_path / 'in/good.png').write_bytes(png(RGB8, 2))
        assert command(tmp_path, '--out', str(tmp_path / 'out'), str(tmp_path / 'in')) == 1
        assert f'error: {tmp_path / "in" / path.name}: ' in capsys.readouterr().err
        assert [result.name for result in (tmp_path / 'out').iterdir()] == ['good.png']


@pytest.mark.parametrize(
    'name, message', [('a\0.png', 'embedded null byte'), ('x' * 300 + '.png', 'File name too long')]
)
def test_impossible_paths_are_errors(tmp_path, name, message):
    for use in (read_image, decode_image, image_size, lambda path: write_image(RGB8, path)):
        with pytest.raises(InputError, match=message):
            use(tmp_path / name)


def test_errors_of_the_file_system_do_not_name_the_temporary_file(tmp_path):
    (tmp_path / 'a.png').mkdir()
    with pytest.raises(InputError) as caught:
        write_image(RGB8, tmp_path / 'a.png')
    assert str(caught.value) == f'{tmp_path / "a.png"}: cannot be written (Is a directory)'
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']


def test_the_home_folder_is_replaced_in_options(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'a.png').write_bytes(png(RGB8, 2))
    assert command(tmp_path, '~/a.png', '--out=~/out') == 0
    assert (tmp_path / 'out/a.png').is_file()


@pytest.mark.parametrize('target', ['out', 'out/%03d.png'])
def test_lost_transparency_of_numbered_images_is_reported(tmp_path, target, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        alpha = np.full((40, 48, 1), 100 if number == 1 else 255, np.uint8)
        write_image(np.dstack([RGB8, alpha]), f'frames/{number:03}.png')
    assert command(tmp_path, 'frames/%03d.png', '--out', target) == 0
    assert 'frames/%03d.png: its transparency is left out\n' in capsys.readouterr().out
