"""A joint test reads rotated, deep, rare and oddly named images with the right pixels, and names faulty ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import load_tool, require_task_models
from image_files import RGB8, RGB16, encoded, png, saved, tiff
from PIL import Image
from small_segmentor import write_labels, write_segmentor

from mmderain.io import save_weights, write_image

from .test_images import by_pillow, color, exif, upright
from .test_not_finite import TEXT, white

#: Maps the kind of faulty inputs to images of a data set whose names end in .jpg, and to their pixels in RGB order.
FILES = {
    6: {
        '1': (saved(RGB8, 'JPEG', exif=exif(6)), None),
        '2': (png(RGB16, 2, chunks=[(b'eXIf', exif(5).tobytes()[6:])]), upright(RGB16, 5)),
        '3': (tiff(RGB16, orientation=7), upright(RGB16, 7)),
    },
    7: {
        '4': (tiff(65535 - RGB16[..., 0], 0), RGB16[..., 0]),
        '5': (png(np.dstack([RGB8, RGB8[..., 0]]), 6), RGB8),
        '6': (png(RGB16[..., 1], 0), RGB16[..., 1]),
    },
    8: {
        '7': (encoded(RGB16, '.ppm'), RGB16),
        '8': (saved(RGB8, 'JPEG2000'), RGB8),
        '9': (saved(RGB8, 'MPO', save_all=True, append_images=[Image.new('RGB', (8, 8))]), None),
    },
    9: {
        '雨': (png(RGB8, 2), RGB8),
        'c[1]*': (png(RGB8[::-1], 2), RGB8[::-1]),
        'ä' * 120: (png(RGB8[:, ::-1].copy(), 2), RGB8[:, ::-1]),
    },
}
DAMAGED = {
    7: (tiff(RGB8.astype(np.float32), sample_format=3), 'has floating-point values'),
    8: (saved(Image.new('CMYK', (48, 40)), 'JPEG'), 'color mode is CMYK'),
    9: (saved(RGB8, 'JPEG')[:-300], 'the end of the file is missing'),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    require_task_models()
    monkeypatch.chdir(tmp_path)
    write_segmentor()


def write(name: str, content: bytes, img: np.ndarray) -> None:
    """Write an image of the data set with labels, and its pixels as another program would write them."""
    path = Path(f'data/camvid/images/test/{name}.jpg')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    write_labels(img, name)
    write_image(img, f'done/images/test/{name}.png')


def run(*words: str) -> int:
    return load_tool('joint_test').main(['seg.py', 'seg.pth', '--rain', 'light', '--out', 'out', *words])


@pytest.mark.fault(6, 'mmderain joint-test')
@pytest.mark.fault(7, 'mmderain joint-test')
@pytest.mark.fault(8, 'mmderain joint-test')
@pytest.mark.fault(9, 'mmderain joint-test')
def test_images_of_all_kinds_have_the_right_pixels(place):
    """The images of the folder `done` have the right pixels."""
    number = 0
    for files in FILES.values():
        for name, (content, pixels) in files.items():
            exact = color(by_pillow(content) if pixels is None else pixels)
            write(name, content, np.rint(exact / 257).astype(np.uint8) if exact.dtype == np.uint16 else exact)
            number += 1
    assert run('--folder', 'perfect', 'done') == 0
    content = json.loads(Path('out/results.json').read_text())
    rows = {row['treatment']: row for row in content['rows']}
    assert rows['perfect']['images'] == number
    # None means that the images of the folder are equal to those of the data set.
    assert rows['perfect']['psnr'] is None and rows['rainy']['psnr'] < 40
    assert len(list(Path('out/gallery').iterdir())) == 8  # four images, without and with rain


@pytest.mark.parametrize(
    'kind', [pytest.param(kind, marks=pytest.mark.fault(kind, 'mmderain joint-test')) for kind in DAMAGED]
)
def test_faulty_images_are_named(place, kind, capsys):
    """A mean over the other images would be another measurement. Therefore the test ends."""
    content, message = DAMAGED[kind]
    write('good', png(RGB8, 2), RGB8)
    write('wrong', content, RGB8)
    assert run() == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ') and f'images/test/wrong.jpg: {message}' in error.replace('its ', '')
    assert not Path('out/table.md').exists()


@pytest.mark.fault(1, 'mmderain joint-test')
def test_results_that_are_not_finite_are_named(place, capsys):
    write('white', png(np.full_like(RGB8, 255), 2), np.full_like(RGB8, 255))
    Path('net.py').write_text("model = dict(type='mmderain.Derainer', network=dict(type='WhiteOverflows'))\n")
    save_weights('net.pth', white().state_dict(), {})
    assert run('--derainer', 'x', 'net.py', 'net.pth') == 1
    assert f'images/test/white.jpg: {TEXT}' in capsys.readouterr().err
