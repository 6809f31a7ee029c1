"""Published data sets are found, checked and linked in the layout of the configs."""

import csv
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import ROOT, smooth_image
from mmengine.config import Config
from release_trees import TREES, make, prepare

from mmderain.datasets.preparation import find_pairs
from mmderain.datasets.releases import RELEASES
from mmderain.io.image import image_size
from mmderain.registry import DATASETS


@pytest.mark.parametrize('name', RELEASES)
def test_published_layouts_are_prepared(name, tmp_path, capsys):
    files, expected = TREES[name]
    src, dst = make(tmp_path / 'release', files), tmp_path / 'data' / name
    before = {path: path.stat().st_mtime_ns for path in src.rglob('*')}
    for _ in range(2):  # the second run gives the same result
        assert prepare(name, src, dst) == 0
        index = list(csv.DictReader(open(dst / 'index.csv', newline='')))
        assert {row['img']: row['gt'] or None for row in index} == expected
        for row in index:  # each file is a link to the right image
            for key in ('img', 'gt'):
                if row[key]:
                    assert (dst / row[key]).is_symlink() and os.path.samefile(dst / row[key], row[f'source_{key}'])
    assert {path: path.stat().st_mtime_ns for path in src.rglob('*')} == before
    message = capsys.readouterr().out
    for split, rule in RELEASES[name].splits.items():
        number = sum(row['split'] == split for row in index)
        published = '' if rule.pairs is None else f', {rule.pairs} expected   <- differs'
        assert f'{name} {split}: {number} pairs found{published}' in message
    assert sorted(tmp_path.joinpath('data').iterdir()) == [dst]


@pytest.mark.parametrize('name', RELEASES)
def test_configs_read_the_prepared_data(name, tmp_path):
    files, expected = TREES[name]
    prepare(name, make(tmp_path / 'release', files), tmp_path / 'data' / name)
    cfg = Config.fromfile(ROOT / f'configs/_base_/datasets/{name}.py')
    seen, read = {}, set()
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        if loader is None:
            continue
        folder = Path(loader.dataset.data_root).relative_to(f'data/{name}') / loader.dataset.data_prefix.img
        loader.dataset.update(data_root=str(tmp_path / loader.dataset.data_root), pipeline=[])
        for item in DATASETS.build(loader.dataset):
            gt = item.get('gt_path')
            seen[f'{folder}/{item["name"]}'] = gt and str(Path(gt).relative_to(tmp_path / 'data' / name))
        read.add(f'{folder}/')
    # Releases with several test sets have a config that reads one of them.
    assert seen == {img: gt for img, gt in expected.items() if img.startswith(tuple(read))}
    assert len(seen) == len(expected) or name in ('rain13k', 'raindrop')


@pytest.mark.parametrize('name', RELEASES)
def test_published_counts_equal_those_of_the_configs(name):
    text = Config.fromfile(ROOT / f'configs/_base_/datasets/{name}.py').test_dataloader.dataset.source
    if name != 'jdnet_pairs':  # its config has no counts, because the data set is made from another one
        for split in RELEASES[name].splits.values():
            assert split.pairs is None or f'{split.pairs:,}' in text['name']


def test_files_that_do_not_fit_are_reported(tmp_path, capsys):
    files = [f'{s}/{stem}-{n}.png' for s in ('train', 'test') for n in (1, 2, 3, 4) for stem in ('rain', 'norain')]
    src = make(tmp_path / 'release', [*files, 'train/rainmask-1.png', 'readme.png', 'train/rain-9.png'])
    (src / 'train/norain-8.png').write_bytes((src / 'train/norain-1.png').read_bytes())
    cv2.imwrite(str(src / 'train/norain-2.png'), smooth_image(12, 18))
    whole = (src / 'train/rain-3.png').read_bytes()
    (src / 'train/rain-3.png').write_bytes(whole[: len(whole) // 2])
    (src / 'test/norain-4.png').write_text('not an image')
    assert prepare('rain100l', src, tmp_path / 'out') == 0
    message = capsys.readouterr().out
    assert 'rain100l train: 2 pairs found' in message and 'rain100l test: 3 pairs found' in message
    left_out = {Path(row['file']).name: row['reason'] for row in csv.DictReader(open(tmp_path / 'out/left_out.csv'))}
    reasons = {
        'rainmask-1.png': 'its name does not match this data set',
        'readme.png': 'its folders do not belong to a split of this data set',
        'rain-9.png': 'no clean partner',
        'norain-8.png': 'no rainy partner',
        'rain-2.png': f'12x16 pixels, but its clean partner {src / "train/norain-2.png"} has 12x18',
    }
    for file, reason in reasons.items():
        assert left_out.pop(file) == reason and file in message and reason in message
    assert left_out.pop('rain-3.png').startswith('cannot be read as an image') and 'train/rain-3.png: cannot' in message
    assert 'norain-4.png: cannot be read as an image' in left_out.pop('rain-4.png')
    assert not left_out and 'norain-4.png: cannot be read' in message


def test_files_are_copied_with_the_option_copy(tmp_path):
    src = make(tmp_path / 'release', TREES['rain12'][0])
    assert prepare('rain12', src, tmp_path / 'out', '--copy') == 0
    copied = tmp_path / 'out/rain/rain-010.png'
    assert not copied.is_symlink() and copied.read_bytes() == (src / 'input/010_in.png').read_bytes()


def test_options_name_the_folders_of_the_splits(tmp_path, capsys):
    src = make(tmp_path / 'release', [f'{f}/{s}-1.png' for f in ('a', 'b') for s in ('rain', 'norain')])
    assert prepare('rain100l', src, tmp_path / 'out') == 1
    message = capsys.readouterr()
    assert 'no pairs of rain100l found' in message.err and '--train and --test' in message.err
    assert not (tmp_path / 'out').exists()
    assert prepare('rain100l', src, tmp_path / 'out', '--train', 'a', '--test', 'b') == 0
    rows = csv.DictReader(open(tmp_path / 'out/index.csv', newline=''))
    assert {row['img']: Path(row['source_img']).parent.name for row in rows} == {
        'train/rain/rain-1.png': 'a',
        'test/rain/rain-1.png': 'b',
    }


def test_foreign_files_are_never_overwritten(tmp_path, capsys):
    src = make(tmp_path / 'release', TREES['rain12'][0])
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/notes.txt').write_text('mine')
    assert prepare('rain12', src, tmp_path / 'out') == 1
    assert 'contains 1 files that this tool did not write' in capsys.readouterr().err
    (tmp_path / 'out/notes.txt').unlink()
    assert prepare('rain12', src, tmp_path / 'out') == 0
    (tmp_path / 'out/rain/mine.png').write_text('mine')
    assert prepare('rain12', src, tmp_path / 'out') == 1 and 'mine.png' in capsys.readouterr().err
    assert prepare('rain12', src, src / 'out') == 1
    assert 'must not contain each other' in capsys.readouterr().err
    assert prepare('rain12', tmp_path / 'none', tmp_path / 'out') == 1
    assert 'no such folder' in capsys.readouterr().err
    assert prepare('rain12', src, tmp_path / 'new', '--train', 'input') == 1
    assert 'rain12 has no such split; its splits are test' in capsys.readouterr().err


def test_copies_and_other_data_sets_are_kept_without_the_option_overwrite(tmp_path, capsys):
    src, out = make(tmp_path / 'release', TREES['rain12'][0]), tmp_path / 'out'
    out.write_text('my notes')
    assert prepare('rain12', src, out) == 1 and 'is a file; name a folder' in capsys.readouterr().err
    assert out.read_text() == 'my notes'
    out.unlink()
    for name in ('out.old', 'out.part'):  # users give such names to their backups
        make(tmp_path / name, ['mine.png'])
    assert prepare('rain12', src, out, '--copy') == 0
    assert (tmp_path / 'out.old/mine.png').is_file() and (tmp_path / 'out.part/mine.png').is_file()
    # The user may have no other copies.
    assert prepare('rain12', src, out) == 1 and 'already contains copies of 3 pairs' in capsys.readouterr().err
    assert prepare('rain12', src, out, '--overwrite') == 0 and (out / 'rain/rain-001.png').is_symlink()
    other = make(tmp_path / 'other', TREES['mpid_mist'][0])
    assert prepare('mpid_mist', other, out) == 1 and 'data set rain12; name another' in capsys.readouterr().err
    assert prepare('mpid_mist', other, out, '--overwrite') == 0
    assert prepare('rain12', src, Path('/dev/null/rain12')) == 1 and 'Traceback' not in capsys.readouterr().err


def test_overlapping_splits_are_refused(tmp_path, capsys):
    src = make(tmp_path / 'release', TREES['rain100h'][0])
    folder = 'rain_data_train_Heavy'
    assert prepare('rain100h', src, tmp_path / 'out', '--train', folder, '--test', folder) == 1
    assert 'must not lie inside the folder of another split' in capsys.readouterr().err
    # The training images are prepared without test images, and a message says what is missing.
    assert prepare('rain100h', src, tmp_path / 'out', '--train', folder) == 0
    message = capsys.readouterr().out
    assert 'no test pairs' in message
    assert 'backgrounds are not compared with the test set of rain100h, because SRC does not' in message
    assert not (tmp_path / 'out/train/without_test_backgrounds.txt').exists()


def test_different_files_with_the_name_of_the_same_pair_are_refused(tmp_path):
    src = make(tmp_path / 'release', ['train/a/rain-1.png', 'train/b/rain-01.png'])
    text = '(?s)names of different images belong to the same pair:.*rain-1.png and .*rain-01.png'
    with pytest.raises(ValueError, match=text):
        find_pairs('rain100l', src)
    # Two files with the same content count as one image.
    (src / 'train/b/rain-01.png').write_bytes((src / 'train/a/rain-1.png').read_bytes())
    (src / 'train/norain-1.png').write_bytes((src / 'train/a/rain-1.png').read_bytes())
    found = find_pairs('rain100l', src)
    assert len(found.pairs['train']) == 1 and found.left_out == [
        (src / 'train/b/rain-01.png', 'a copy of another file')
    ]


def test_image_size_is_that_after_the_exif_rotation(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / 'a.jpg', exif=exif)
    assert image_size(tmp_path / 'a.jpg') == (30, 20) == cv2.imread(str(tmp_path / 'a.jpg')).shape[:2]


@pytest.mark.parametrize('name', RELEASES)
def test_docs_page_lists_where_each_data_set_is_published(name):
    page = (ROOT / 'docs/en/datasets.md').read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f'| `{name}` |')]
    source = Config.fromfile(ROOT / f'configs/_base_/datasets/{name}.py').test_dataloader.dataset.source
    url = source['published_at'].split()[0]
    assert url in row or ('the same' in row and url in page)
    assert source['prepare'].endswith(f'prepare_dataset.py {name} SRC')
    for split in RELEASES[name].splits.values():
        assert split.pairs is None or f'{split.pairs:,}' in row.split('|')[2]
