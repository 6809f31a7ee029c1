"""mmderain.LoadImageFromFile reads the same pixels as the other readers, in pipelines of mmdet and mmseg."""

import numpy as np
import pytest
from conftest import ROOT
from image_files import RGB8, RGB16, png, saved, tiff
from mmengine.config import Config
from mmengine.registry import TRANSFORMS
from PIL import Image

from mmderain.errors import InputError
from mmderain.io.image import read_image

EXIF = Image.Exif()
EXIF[0x0112] = 6
FILES = {
    'a.jpg': saved(RGB8, 'JPEG', exif=EXIF),
    'a.png': saved(RGB8, 'PNG', exif=EXIF),
    'a.webp': saved(RGB8, 'WEBP', exif=EXIF, lossless=True),
    'a.avif': saved(RGB8, 'AVIF', exif=EXIF),
    'a.tif': tiff(RGB16, orientation=6),
    'deep.png': png(RGB16, 2),
}
TRANSFORM = dict(type='mmderain.LoadImageFromFile')


@pytest.mark.parametrize('name', FILES)
def test_the_pixels_are_those_of_the_other_readers(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    results = TRANSFORMS.build(TRANSFORM)(dict(img_path=str(tmp_path / name)))
    expected = read_image(tmp_path / name)
    assert np.array_equal(results['img'], expected) and results['img'].dtype == np.uint8
    assert results['img_shape'] == results['ori_shape'] == expected.shape[:2]
    assert expected.shape[:2] == ((40, 48) if name == 'deep.png' else (48, 40))


def test_damaged_and_missing_files(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(FILES['a.jpg'][:-40])
    load, lenient = TRANSFORMS.build(TRANSFORM), TRANSFORMS.build(TRANSFORM | dict(ignore_empty=True))
    with pytest.raises(InputError, match='a.jpg: the end of the file is missing'):
        load(dict(img_path=str(tmp_path / 'a.jpg')))
    with pytest.raises(FileNotFoundError):
        load(dict(img_path=str(tmp_path / 'b.jpg')))
    assert lenient(dict(img_path=str(tmp_path / 'a.jpg'))) is None
    assert lenient(dict(img_path=str(tmp_path / 'b.jpg'))) is None


def test_options(tmp_path):
    (tmp_path / 'a.png').write_bytes(FILES['a.png'])
    results = TRANSFORMS.build(TRANSFORM | dict(to_float32=True))(dict(img_path=str(tmp_path / 'a.png')))
    assert results['img'].dtype == np.float32
    with pytest.raises(InputError, match="color_type must be 'color', found 'grayscale'"):
        TRANSFORMS.build(TRANSFORM | dict(color_type='grayscale'))


def test_our_configs_use_the_transform():
    """Configs of published models keep mmcv's transform, so that their scores are comparable."""
    for path in sorted((ROOT / 'configs/perception').rglob('*.py')):
        assert "type='LoadImageFromFile'" not in path.read_text(encoding='utf-8'), path
    cfg = Config.fromfile(ROOT / 'configs/perception/_base_/street_detection.py')
    assert cfg.test_dataloader.dataset.pipeline[0].type == 'mmderain.LoadImageFromFile'
