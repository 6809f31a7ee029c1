"""Everything that reads an image file returns the same pixels, and refuses the same files.

READERS has a row for each module that reads image files, WRITERS for each module that writes them. A new module without
a row fails the last test. docs/en/formats.md shows READERS as a table.
"""

import ast

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT, load_tool
from image_cases import CASES
from image_files import PIXELS, RGB8, RGB16, encoded, heic, png, saved, tiff
from mmengine.model import BaseModule
from PIL import Image

from mmderain.apis import DerainInferencer
from mmderain.datasets import PairedImageDataset
from mmderain.datasets.check import unreadable_images
from mmderain.datasets.converters.coco import Box, write_test_set
from mmderain.datasets.converters.photographs import shrink_photographs
from mmderain.datasets.converters.real_rain import link_real_rain
from mmderain.datasets.preparation.backgrounds import _hash_pixels
from mmderain.datasets.preparation.checking import flaw_of
from mmderain.datasets.preparation.finding import FoundPair
from mmderain.datasets.transforms import LoadImageFromFile, LoadPairedImages
from mmderain.errors import InputError
from mmderain.io.image import decode_image, decode_image_bytes, image_size, read_image, write_image
from mmderain.io.image_formats import heic_is_readable
from mmderain.models import NetworkSpec
from mmderain.perception.joint_test.steps import ReplaceFromFolder
from mmderain.rain.folder import rain_over_folder
from mmderain.registry import MODELS
from mmderain.web.uploads import read_upload

EXIF = Image.Exif()
EXIF[0x0112] = 6
#: Files of kinds that readers have treated differently: orientation, depth, alpha, several images, rare formats.
FILES = {
    'a.jpg': saved(RGB8, 'JPEG', exif=EXIF),
    'mpo.jpg': saved(RGB8, 'MPO', exif=EXIF, save_all=True, append_images=[Image.new('RGB', (8, 8))]),
    'a.jfif': saved(RGB8[..., 0], 'JPEG', exif=EXIF),
    'a.png': saved(RGB8, 'PNG', exif=EXIF),
    'rgb16.png': png(RGB16, 2),
    'transparent.png': png(RGB8, 2, chunks=[(b'tRNS', bytes(6))]),
    'a.webp': saved(RGB8, 'WEBP', exif=EXIF, lossless=True),
    'a.avif': saved(RGB8, 'AVIF', exif=EXIF),
    'a.tif': tiff(RGB8, orientation=6),
    'rgb16.tif': tiff(RGB16, orientation=6),
    'white.tif': tiff(RGB16[..., 0], 0),
    'rgba.tif': tiff(PIXELS['RGBA 8'], extra=2),
    'a.bmp': saved(PIXELS['RGBA 8'], 'BMP'),
    'a.jp2': encoded(RGB16, '.jp2', cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000),
    'a.ppm': encoded(RGB16, '.ppm'),
    'a.gif': saved(Image.fromarray(RGB8).quantize(16), 'GIF'),
}
if heic_is_readable():
    FILES['a.heic'] = heic(PIXELS['RGBA 8'], exif=EXIF.tobytes())
REFUSED = {f'{case}.img': case for case in CASES if case.pixels is None}


@MODELS.register_module(force=True)
class SameImage(BaseModule):
    """Network that returns the images unchanged."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


@pytest.fixture(scope='module')
def inferencer(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'same.pth'
    torch.save({'state_dict': {}}, path)
    return DerainInferencer(dict(model=dict(type='mmderain.Derainer', network=dict(type='SameImage'))), path, 'cpu')


def derain(path, tmp_path, inferencer):
    array = inferencer(str(path)).predictions[0]
    full = decode_image(path)
    assert array.dtype == full.bgr.dtype and (full.alpha is None or np.array_equal(array[..., 3], full.alpha))
    if full.is_gray:  # the derained color is converted to gray, which rounds
        return full.to_uint8()
    return (
        ((array[..., :3].astype(np.uint32) + 128) // 257).astype(np.uint8)
        if array.dtype == np.uint16
        else array[..., :3]
    )


def load_pair(path, *_):
    results = LoadPairedImages()(dict(img_path=str(path), gt_path=str(path)))
    assert np.array_equal(results['img'], results['gt_img'])
    return np.floor(results['img'] + 0.5).astype(np.uint8)


def patches(path, *_):
    items = PairedImageDataset._patches_of(dict(img_path=str(path)), 8, 8)
    return max(item['patch'][0] for item in items) + 8, max(item['patch'][1] for item in items) + 8


def evaluate(path, tmp_path, _):
    for folder, content in (('pred', path.read_bytes()), ('gt', None)):
        (tmp_path / folder).mkdir()
        if content:
            (tmp_path / folder / path.name).write_bytes(content)
    write_image(decode_image(path).bgr, tmp_path / 'gt' / f'{path.stem}.png')
    arguments = [
        str(tmp_path / 'pred'),
        str(tmp_path / 'gt'),
        '--out',
        str(tmp_path / 'out'),
        '--protocols',
        'PSNR-RGB',
    ]
    assert load_tool('evaluate_folder').main(arguments) == 0
    assert 'inf' in (tmp_path / 'out/metrics.json').read_text()


def check_data(path, *_):
    if problem := unreadable_images([path], 'x').get(path):
        raise InputError(problem)


def check_pair(path, *_):
    if problem := flaw_of(FoundPair({}, path, path)):
        raise InputError(problem)


def replace(path, tmp_path, _):
    results = dict(img_path=str(tmp_path / 'data' / f'{path.stem}.x'), img=read_image(path))
    return ReplaceFromFolder(str(path.parent), str(tmp_path / 'data'))(results)['img']


def shrink(path, tmp_path, _):
    shrink_photographs([path], tmp_path / 'small')
    return read_image(tmp_path / f'small/{path.stem}.png')


def collect(path, tmp_path, _):
    (tmp_path / 'src').mkdir()
    (tmp_path / 'src' / path.with_suffix('.png').name).write_bytes(path.read_bytes())
    write_image(np.zeros((4, 4), np.uint8), tmp_path / 'src/good.png')  # a folder without a good image is refused
    report = link_real_rain([tmp_path / 'src'], tmp_path / 'collected')
    if len(report) > 1:
        raise InputError(report[1])


def coco(path, tmp_path, _):
    write_test_set({path: [Box('person', (0, 0, 5, 5))]}, tmp_path / 'coco')


def rain(path, tmp_path, _):
    (tmp_path / 'clean').mkdir()
    (tmp_path / 'clean' / path.name).write_bytes(path.read_bytes())
    result = rain_over_folder(tmp_path / 'clean', tmp_path / 'rainy', 'light')
    if result.errors:
        raise result.errors[0]
    return image_size(tmp_path / f'rainy/rain/{path.stem}.png')


#: Maps a module to a function that reads a file through it. The function returns BGR uint8, the height and width, or
#: None if the module only checks that the file can be read. None: the module only shows an image that `read_image`
#: has read, or a test of its own covers it.
READERS = {
    'mmderain/io/image.py': lambda path, *_: decode_image_bytes(path.read_bytes(), str(path)).to_uint8(),
    'mmderain/apis/sources.py': derain,
    'mmderain/datasets/check.py': check_data,
    'mmderain/datasets/converters/camvid.py': None,  # label maps: gray images with 8 bits
    'mmderain/datasets/converters/coco.py': coco,
    'mmderain/datasets/converters/photographs.py': shrink,
    'mmderain/datasets/converters/real_rain.py': collect,
    'mmderain/datasets/paired_image_dataset.py': patches,
    'mmderain/datasets/preparation/backgrounds.py': lambda path, *_: _hash_pixels(path) and None,
    'mmderain/datasets/preparation/checking.py': check_pair,
    'mmderain/datasets/transforms/loading.py': load_pair,
    'mmderain/perception/joint_test/gallery.py': None,  # reads its own PNG files
    'mmderain/perception/joint_test/steps.py': replace,
    'mmderain/perception/scene_files.py': None,
    'mmderain/rain/folder.py': rain,
    'mmderain/web/uploads.py': lambda path, *_: read_upload(path, path.parent),
    'tools/evaluate_folder.py': evaluate,
    'tools/paper_figures.py': None,
    'tools/analysis_tools/inference_loops.py': None,
    'tools/dev/check_mim.py': None,
    'tools/dev/compare_rain.py': None,
    'tools/dev/compare_tiles.py': None,
    'tools/dev/measure_derainers.py': None,
    'tools/dev/speed_parts/formats.py': None,
    'demo/image_demo.py': None,
}
#: Modules that write images. All of them call write_image or encode_image, whose rules test_formats.py checks.
WRITERS = {
    'mmderain/apis/sources.py',
    'mmderain/datasets/converters/photographs.py',
    'mmderain/datasets/converters/street_video.py',
    'mmderain/engine/visualization_hook.py',
    'mmderain/perception/joint_test/gallery.py',
    'mmderain/perception/scene_files.py',
    'mmderain/rain/folder.py',
    'tools/analysis_tools/inference_loops.py',
    'tools/browse_dataset.py',
    'tools/dev/check_mim.py',
    'tools/dev/measure_derainers.py',
    'tools/paper_figures.py',
    'demo/image_demo.py',
    'demo/sample_demo.py',
    'demo/video_demo.py',
}
CALLED = [name for name, function in READERS.items() if function]


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('module', CALLED)
def test_every_reader_returns_the_same_pixels(tmp_path, inferencer, module, name):
    path = tmp_path / 'files' / name
    path.parent.mkdir()
    path.write_bytes(FILES[name])
    expected = read_image(path)
    found = READERS[module](path, tmp_path, inferencer)
    if isinstance(found, tuple):
        assert found == expected.shape[:2] == image_size(path)
    elif found is not None:
        assert np.array_equal(found, expected)
    if module.endswith('loading.py'):
        assert np.array_equal(LoadImageFromFile()(dict(img_path=str(path)))['img'], expected)


@pytest.mark.parametrize('module', CALLED)
def test_every_reader_refuses_the_same_files_and_names_them(tmp_path, inferencer, module):
    for number, (name, case) in enumerate(REFUSED.items()):
        folder = tmp_path / str(number)
        path = folder / 'files' / f'{name.replace(",", "").removesuffix(".img")}.png'
        path.parent.mkdir(parents=True)
        path.write_bytes(case.make())
        with pytest.raises(InputError, match=f'(?s){case.refusal}') as caught:
            READERS[module](path, folder, inferencer)
        assert path.name in str(caught.value) or path.stem in str(caught.value)


def callers(functions):
    """Return the modules that call one of the functions, except for mmderain/io and the tests of reliability."""
    found = set()
    for folder in ('mmderain', 'tools', 'demo'):
        for path in (ROOT / folder).rglob('*.py'):
            tree = ast.parse(path.read_text(encoding='utf-8'))
            calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
            names = {getattr(call, 'id', None) or getattr(call, 'attr', None) for call in calls}
            if names & functions:
                found.add(path.relative_to(ROOT).as_posix())
    return {name for name in found if not name.startswith(('mmderain/io/', 'tools/dev/campaigns/'))}


def test_every_module_that_reads_or_writes_images_has_a_row():
    readers = callers({'read_image', 'decode_image', 'decode_image_bytes', 'image_size', 'image_from_pillow'})
    assert readers == set(READERS) - {'mmderain/io/image.py'}, 'add a row to READERS, or remove one'
    assert callers({'write_image', 'encode_image'}) == WRITERS, 'add a module to WRITERS, or remove one'
