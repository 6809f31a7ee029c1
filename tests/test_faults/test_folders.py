"""Folders with hidden files, links, loops and equal stems: every program processes the same images, each on its own."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from image_files import RGB8, png

from mmderain import cli
from mmderain.apis import DerainInferencer
from mmderain.apis.plan import Plan
from mmderain.apis.shards import Shard
from mmderain.datasets import ImageFolderDataset, PairedImageDataset
from mmderain.errors import InputError
from mmderain.io import expand_pattern, iter_images, list_images, skipped_by_suffix
from mmderain.rain.folder import rain_over_folder

from .places import Place
from .ways import WAYS

#: Images to be found. Three of them differ only in their suffix. All are PNG files, and all differ.
FOUND = ['a.PPM', 'a.gif', 'a.png', 'link/e.png', 'scene.jpg/d.png', 'sub/c[1].png', 'sub/s.png']
#: Files to be passed over: hidden ones, those of other programs, and other suffixes. The last three are counted.
OTHERS = ['.h.png', '.ipynb_checkpoints/a.png', '__MACOSX/a.png', 'sub/@eaDir/s.png', 'sub/.git/x.png']
OTHERS += ['x.cr2', 'sub/note.txt', 'sub/scene.jpg/.keep', 'other.docx']
TEXT = 'skipped 3 files: 1 .cr2 (convert raw files to TIFF or JPEG first), 1 .docx, 1 .txt'
SEARCHERS = [
    *('mmderain derain', 'mmderain detect', 'mmderain rain', 'mmderain segment', 'tools/evaluate_folder.py'),
    *('tools/prepare_dataset.py', 'tools/test.py', 'apis.DerainInferencer'),
]


@pytest.fixture
def place(tmp_path, monkeypatch, capsys):
    """Write the images and the other files, and make a link to a folder and a loop of links."""
    pixels = {name: np.roll(RGB8, 5 * number, 1)[..., ::-1] for number, name in enumerate(FOUND)}
    files = {name: png(np.ascontiguousarray(array[..., ::-1]), 2) for name, array in pixels.items()}
    made = Place(tmp_path, files, pixels, monkeypatch, capsys)
    for name in OTHERS:
        path = tmp_path / 'in' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files['a.png'] if name.endswith('.png') else b'')
    (tmp_path / 'in/link').rename(tmp_path / 'elsewhere')
    (tmp_path / 'in/link').symlink_to('../elsewhere')
    (tmp_path / 'in/sub/up').symlink_to('..')
    (tmp_path / 'in/self').symlink_to('self')
    return made


@pytest.mark.parametrize('name', [pytest.param(name, marks=pytest.mark.fault(10, name)) for name in SEARCHERS])
def test_every_image_is_processed_once(place, name):
    found = WAYS[name](place)
    assert sorted(found) == FOUND
    for file, pixels in place.expected.items():
        assert np.array_equal(found[file], pixels), file


@pytest.mark.fault(10, 'mmderain merge-logs', 'mmderain derain', 'io.skipped_by_suffix', 'apis.Plan')
def test_logs_name_every_image_once(place):
    words = ['--model', 'net.py', '--weights', 'net.pth', '--keep-suffix']
    assert cli.main(['derain', 'in', '--out', 'out', '--log', 'run.jsonl', *words]) == 0
    output = place.printed()
    assert f'{len(FOUND)} of {len(FOUND)} inputs derained' in output and 'form a loop' in output
    assert cli.main(['merge-logs', 'run*.jsonl', '--inputs', 'in']) == 0
    assert place.printed() == f'{len(FOUND)} of {len(FOUND)} inputs are complete, 0 failed, 0 are missing\n'


@pytest.mark.parametrize(
    'words, interface',
    [
        pytest.param(words, name, marks=pytest.mark.fault(10, name))
        for name, words in {
            'mmderain derain': ['derain', 'in', '--out', 'out', '--model', 'net.py', '--weights', 'net.pth'],
            'mmderain rain': ['rain', 'in', 'out'],
        }.items()
    ],
)
def test_without_the_option_two_images_fail_and_the_png_image_keeps_its_name(place, words, interface):
    assert cli.main(words) == 1
    errors = [line for line in place.printed().splitlines() if line.startswith('error: ')]
    assert len(errors) == 2
    for line, name in zip(errors, ('a.PPM', 'a.gif'), strict=True):
        assert line.startswith(f'error: in/{name} and in/a.png: both would be written to ')
        assert 'use keep_suffix=True (--keep-suffix), or' in line
    if interface == 'mmderain derain':
        assert np.array_equal(WAYS['io.read_image'](place)['a.png'], place.expected['a.png'])


@pytest.mark.fault(10, 'io.iter_images', 'io.list_images', 'io.skipped_by_suffix')
def test_functions_find_the_images(place):
    skipped = Counter()
    assert [path.as_posix() for path in iter_images('in', skipped=skipped)] == FOUND
    assert [path.as_posix() for path in list_images(Path('in'))] == FOUND
    assert skipped.pop('linked folders that form a loop') == 1 and skipped.pop('', 0) == 1  # the link to itself
    assert skipped_by_suffix(skipped) == TEXT


@pytest.mark.fault(10, 'datasets.ImageFolderDataset', 'datasets.PairedImageDataset')
def test_data_sets_find_the_images(place):
    place.write_clean()
    data = ImageFolderDataset('in', pipeline=[])
    assert [item['name'] for item in map(data.get_data_info, range(len(data)))] == FOUND
    data = PairedImageDataset('.', data_prefix=dict(img='in', gt='clean'), pipeline=[dict(type='LoadPairedImages')])
    assert len(data) == len(FOUND) and all(np.array_equal(item['img'], item['gt_img']) for item in data)


@pytest.mark.fault(10, 'engine.DerainVisualizationHook')
def test_images_that_differ_in_their_suffix_are_shown_in_different_files(place):
    assert len(WAYS['tools/test.py'](place)) == len(FOUND)
    shown = sorted(path.name for path in Path('show/derained').glob('a*'))
    assert shown == ['a.PPM.png', 'a.gif.png', 'a.png'] == sorted(path.name for path in Path('show/panels').glob('a*'))


@pytest.mark.fault(10, 'perception.joint_test.ReplaceFromFolder')
@pytest.mark.parametrize('options', [['--keep-suffix'], []])
def test_derained_images_replace_those_of_the_same_name(place, options):
    """Without --keep-suffix, only one of three images is derained, and no image replaces the two others."""
    from mmderain.perception.joint_test import ReplaceFromFolder

    words = ['--out', 'out', '--model', 'net.py', '--weights', 'net.pth', *options]
    assert cli.main(['derain', 'in', *words]) == (0 if options else 1)
    Path('out/a.json').write_text('{}')
    step = ReplaceFromFolder('out', 'in')
    for name in FOUND:
        results = dict(img_path=f'in/{name}', img=np.zeros((40, 48, 3), np.uint8))
        if not options and name in ('a.PPM', 'a.gif'):
            with pytest.raises(InputError, match=f'out: found no image a.. for the image {name}'):
                step(results)
        else:
            assert np.array_equal(step(results)['img'], place.expected[name])


@pytest.mark.fault(10, 'apis.Shard')
@pytest.mark.parametrize('count', [1, 2, 3])
def test_shards_divide_the_images(place, count):
    parts = [Plan([Path('in')], shard=Shard(index, count)) for index in range(count)]
    names = sorted(os.path.relpath(source.name, 'in') for part in parts for source in part)
    assert names == FOUND


@pytest.mark.fault(10, 'io.expand_pattern')
@pytest.mark.parametrize(
    'pattern, found',
    [
        ('in/a.*', ['in/a.PPM', 'in/a.gif', 'in/a.png']),
        ('in/sub/c[1].png', ['in/sub/c[1].png']),  # an existing file is not a pattern
        ('in/sub/c[[]1].png', ['in/sub/c[1].png']),
        ('in/*.tif', ['in/*.tif']),
        ('', ['']),
    ],
)
def test_patterns(place, pattern, found):
    assert expand_pattern(pattern) == found


@pytest.mark.fault(10, 'apis.DerainInferencer')
@pytest.mark.parametrize('inputs, options', [('', {}), (['a.png', ''], {}), ('in', dict(out_dir=''))])
def test_empty_paths_do_not_mean_the_current_folder(place, inputs, options):
    with pytest.raises(InputError, match='the path is empty; use . for the current folder'):
        DerainInferencer('net.py', 'net.pth')(inputs, **options)
    for folders in (('', 'out'), ('in', '')):
        with pytest.raises(InputError, match='(src|dst): the path is empty; use . for the current folder'):
            rain_over_folder(*folders)
    assert not Path('out').exists()
