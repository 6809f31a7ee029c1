"""check_data.py names unreadable images before a training. During the training, they are skipped or give an error."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, load_tool, write_pairs

from mmderain.datasets import PairedImageDataset
from mmderain.datasets.samplers import SeededIndex
from mmderain.errors import InputError
from mmderain.io.image import write_image

PAIRING = dict(type='prefix', img='rain-', gt='norain-')
PIPELINE = [dict(type='LoadPairedImages')]


@pytest.fixture
def root(tmp_path):
    """Make five pairs; the rainy image of pair 1 and the clean image of pair 3 are damaged."""
    write_pairs(tmp_path, '01234', size=(64, 64))
    for path in (tmp_path / 'rain/rain-1.png', tmp_path / 'norain/norain-3.png'):
        path.write_bytes(path.read_bytes()[:100])
    return tmp_path


def names(dataset) -> list[str]:
    return [dataset[SeededIndex(index, 0, 0)]['name'] for index in range(len(dataset))]


def test_unreadable_images_are_errors_by_default(root):
    dataset = PairedImageDataset(data_root=str(root), pairing=PAIRING, pipeline=PIPELINE)
    with pytest.raises(InputError, match='rain-1.png: cannot be read'):
        names(dataset)


def test_unreadable_images_are_skipped_if_configured(root):
    dataset = PairedImageDataset(data_root=str(root), pairing=PAIRING, pipeline=PIPELINE, unreadable='skip')
    assert names(dataset) == [f'rain-{number}.png' for number in (0, 2, 2, 4, 4)]
    assert dataset[1]['name'] == 'rain-2.png'  # the samplers of mmengine give such plain indices
    first, second = dataset[SeededIndex(1, 3, 0)], dataset[SeededIndex(1, 3, 0)]
    assert np.array_equal(first['img'], second['img'])


@pytest.mark.parametrize('unreadable', ['error', 'skip'])
def test_an_iteration_ends_after_the_last_item(tmp_path, unreadable):
    write_pairs(tmp_path, '01', size=(8, 8))
    dataset = PairedImageDataset(data_root=str(tmp_path), pairing=PAIRING, pipeline=PIPELINE, unreadable=unreadable)
    assert [item['name'] for item in dataset] == ['rain-0.png', 'rain-1.png']


def test_an_unreadable_last_item_is_replaced_by_the_first(root):
    (root / 'rain/rain-4.png').write_bytes(b'')
    dataset = PairedImageDataset(data_root=str(root), pairing=PAIRING, pipeline=PIPELINE, unreadable='skip')
    assert names(dataset)[3:] == ['rain-0.png', 'rain-0.png']


def test_unreadable_images_are_not_skipped_in_test_mode(root):
    dataset = PairedImageDataset(
        data_root=str(root), pairing=PAIRING, pipeline=PIPELINE, unreadable='skip', test_mode=True
    )
    with pytest.raises(InputError, match='rain-1.png: cannot be read'):
        dataset[1]


def test_a_data_set_without_readable_items_gives_an_error(root):
    for path in (root / 'rain').iterdir():
        path.write_bytes(b'')
    dataset = PairedImageDataset(data_root=str(root), pairing=PAIRING, pipeline=PIPELINE, unreadable='skip')
    with pytest.raises(InputError, match='none of the 5 items can be read'):
        dataset[0]


def test_other_values_of_unreadable_are_refused(root):
    with pytest.raises(InputError, match="PairedImageDataset: unreadable must be 'error' or 'skip', found 'ignore'"):
        PairedImageDataset(data_root=str(root), pairing=PAIRING, unreadable='ignore')


def train(root, work_dir, *options) -> int:
    settings = {
        'model.network.channels': 4,
        'model.network.num_stages': 1,
        'train_dataloader.dataset.data_root': root,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.pipeline.1.crop_size': 16,
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 100,
        'experiment_name': work_dir,
    }
    arguments = [str(ROOT / 'configs/derain/sian_sample.py'), '--work-dir', str(work_dir), '--check-data']
    return load_tool('train').main([*arguments, '--cfg-options', *(f'{k}={v}' for k, v in settings.items()), *options])


def test_check_data_names_all_unreadable_images(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for folder in ('rain', 'norain'):
        (tmp_path / 'data' / folder).mkdir(parents=True)
    write_pairs(tmp_path / 'made', '01234', size=(64, 64))
    for number in '01234':
        (tmp_path / f'made/rain/rain-{number}.png').rename(tmp_path / f'data/rain/{number}.png')
        (tmp_path / f'made/norain/norain-{number}.png').rename(tmp_path / f'data/norain/{number}.png')
    (tmp_path / 'data/rain/1.png').write_bytes(b'')
    (tmp_path / 'data/norain/3.png').write_bytes((tmp_path / 'data/norain/3.png').read_bytes()[:100])
    assert train(tmp_path / 'data', tmp_path / 'run') == 1
    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.split(':')[1].strip() for line in lines[:2]) == [
        f'{tmp_path}/data/norain/3.png',
        f'{tmp_path}/data/rain/1.png',
    ]
    assert lines[2].startswith(
        'error: images that cannot be read: 2 in train_dataloader. Replace or remove these images'
    )
    assert len(lines) == 3 and not (tmp_path / 'run').exists()
    assert train(tmp_path / 'data', tmp_path / 'run', 'train_dataloader.dataset.unreadable=skip') == 0
    errors = capsys.readouterr().err
    assert errors.count('warning: ') == 2 and (tmp_path / 'run/iter_2.pth').is_file()


def test_check_data_needs_no_default_scope(tmp_path):
    """A program has no default scope before mmengine's Runner is built."""
    pytest.importorskip('mmseg')
    program = f"""
        import sys
        from mmderain.datasets.check import check_data
        from mmderain.engine.config import prepare_config
        from mmderain.errors import InputError

        cfg = prepare_config({str(ROOT / 'configs/derain/sian_sample.py')!r})
        cfg.train_dataloader.dataset.data_root = {str(ROOT / 'demo/sample/train')!r}
        check_data(cfg, 'train_dataloader')
        cfg = prepare_config({str(ROOT / 'configs/perception/pspnet_r18_street.py')!r})
        dataset = cfg.train_dataloader.dataset
        dataset.update(data_root={str(tmp_path)!r}, data_prefix=dict(img_path='img', seg_map_path='map'))
        try:
            check_data(cfg, 'train_dataloader')
        except InputError as error:
            print(error)
    """
    for name in ('img/a.png', 'map/a.png'):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    for suffix in ('.jpg', '.png'):
        (tmp_path / f'img/a{suffix}').touch()
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(program)], capture_output=True, text=True)
    assert done.returncode == 0 and 'images that cannot be read: ' in done.stdout, done.stdout + done.stderr[-1500:]


def test_an_unreadable_image_with_bytes_in_its_name_is_logged(tmp_path, capsys):
    name = os.fsdecode(b'\xff.png')
    for folder in ('rain', 'norain'):
        write_image(np.zeros((8, 8, 3), np.uint8), tmp_path / folder / 'good.png')
        (tmp_path / folder / name).write_bytes(b'not an image, but long enough')
    data = PairedImageDataset(str(tmp_path), pipeline=[dict(type='mmderain.LoadPairedImages')], unreadable='skip')
    assert [Path(data[index]['img_path']).name for index in range(2)] == ['good.png', 'good.png']
    printed = capsys.readouterr()
    assert '\\udcff.png: cannot be read as an image' in printed.out and 'Logging error' not in printed.err
