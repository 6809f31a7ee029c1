"""Names that are long or no text, and damaged files, in functions that read and write other files than images."""

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import load_tool
from image_files import RGB8, png

from mmderain import cli
from mmderain.apis.plan import Plan
from mmderain.datasets import ImageFolderDataset, PairedImageDataset
from mmderain.errors import InputError
from mmderain.io import (
    atomic_folder,
    atomic_write,
    file_sha256,
    iter_images,
    list_images,
    read_checkpoint,
    read_lines,
    read_text,
    safe_name,
    save_weights,
    write_image,
)

from .places import Place
from .ways import WAYS

#: Names without suffix: 251 bytes, letters of other alphabets, patterns, protocols, and bytes that are no text.
STEMS = ['ä' * 125 + 'b', '雨 (1)', '%03d', '*[1]{0}', 'http:', '-o', 'quo\'te"', 'line\nfeed', 'tab\t#%20', '...']
STEMS += [os.fsdecode(b'\xff\xe4')] if sys.platform != 'win32' else []
NAMES = [f'{stem}.png' for stem in STEMS if not stem.startswith('.')]


def text_file(path: Path) -> None:
    with atomic_write(path) as part:
        part.write_text('a\nb\n')


def read_back(path: Path) -> None:
    text_file(path)
    assert read_text(path) == 'a\nb\n' and read_lines(path) == ['a', 'b']
    assert file_sha256(path) == hashlib.sha256(b'a\nb\n').hexdigest()


def folder(path: Path) -> None:
    for number in range(2):
        with atomic_folder(path) as part:
            (part / 'a.txt').write_text(str(number))
    assert (path / 'a.txt').read_text() == '1'


def image(path: Path) -> None:
    write_image(RGB8, path.with_name(f'{path.stem}.png'))


def weights(path: Path) -> None:
    save_weights(path, {'a': torch.ones(2)}, {})
    assert read_checkpoint(path)['state_dict']['a'].tolist() == [1, 1]


def safe(path: Path) -> None:
    text_file(path.with_name(safe_name(path.name)))


#: Maps the interfaces to a function that writes a file or folder with a name, and a suffix of four letters.
WRITERS = {
    ('io.atomic_write',): (text_file, '.txt'),
    ('io.read_text', 'io.read_lines', 'io.file_sha256'): (read_back, '.txt'),
    ('io.atomic_folder',): (folder, '.dir'),
    ('io.write_image',): (image, '.png'),
    ('io.save_weights', 'io.read_checkpoint'): (weights, '.pth'),
    ('io.safe_name',): (safe, '.txt'),
}


@pytest.mark.parametrize(
    'names', [pytest.param(names, marks=pytest.mark.fault(9, *names), id=names[0]) for names in WRITERS]
)
def test_names_of_any_bytes_are_written(tmp_path, names):
    write, suffix = WRITERS[names]
    for stem in STEMS:
        if stem == '...' and suffix == '.png':
            continue  # the stem of '....png' is another one in each version of Python
        write(tmp_path / f'{stem}{suffix}')
    found = [path.name for path in tmp_path.iterdir()]
    assert len(found) == len([stem for stem in STEMS if stem != '...' or suffix != '.png'])
    expected = [safe_name(f'{stem}{suffix}') if write is safe else f'{stem}{suffix}' for stem in STEMS]
    assert set(found) <= set(expected)


@pytest.mark.parametrize('names', WRITERS, ids=lambda names: names[0])
def test_a_name_that_is_too_long_or_impossible_is_an_error_and_leaves_no_file(tmp_path, names):
    write, suffix = WRITERS[names]
    for stem in ('x' * 256, 'a\0b'):
        if write is safe and stem == 'a\0b':
            continue  # the null byte is replaced
        with pytest.raises((OSError, ValueError)) as caught:
            write(tmp_path / f'{stem}{suffix}')
        assert '.part' not in str(caught.value)
    assert not [path for path in tmp_path.iterdir() if path.name != 'a_b.txt']


@pytest.fixture
def place(tmp_path, monkeypatch, capsys):
    pixels = {name: np.roll(RGB8, 3 * number, 1)[..., ::-1] for number, name in enumerate(NAMES)}
    files = {name: png(np.ascontiguousarray(array[..., ::-1]), 2) for name, array in pixels.items()}
    return Place(tmp_path, files, pixels, monkeypatch, capsys)


@pytest.mark.fault(9, 'io.iter_images', 'io.list_images', 'apis.Plan', 'datasets.ImageFolderDataset')
def test_all_names_are_found(place):
    assert [path.name for path in iter_images('in')] == [path.name for path in list_images(Path('in'))] == sorted(NAMES)
    assert [Path(source.name).name for source in Plan([Path('in')], 'out')] == sorted(NAMES)
    data = ImageFolderDataset('in', pipeline=[dict(type='LoadPairedImages')])
    for number, name in enumerate(sorted(NAMES)):
        assert np.array_equal(data[number]['img'], place.expected[name])


@pytest.mark.fault(9, 'datasets.PairedImageDataset')
@pytest.mark.parametrize('bad', ['cut', 'lost link', 'none'])
def test_a_data_set_pairs_all_names_and_skips_damaged_images(place, bad):
    place.write_clean()
    if bad == 'cut':
        Path('in', NAMES[1]).write_bytes(b'no image')
    elif bad == 'lost link':
        Path('in', NAMES[1]).unlink()
        Path('in', NAMES[1]).symlink_to('missing')
    options = dict(data_prefix=dict(img='in', gt='clean'), pipeline=[dict(type='LoadPairedImages')])
    data = PairedImageDataset('.', unreadable='skip', **options)
    for number, name in enumerate(sorted(NAMES)):
        item = data[number]
        assert np.array_equal(item['img'], item['gt_img'])
        assert np.array_equal(item['img'], place.expected[name]) or (name == NAMES[1] and bad != 'none')
    strict = PairedImageDataset('.', **options)
    if bad != 'none':
        with pytest.raises((InputError, FileNotFoundError), match='^in/雨'):
            strict[sorted(NAMES).index(NAMES[1])]


@pytest.mark.fault(9, 'engine.DerainVisualizationHook')
def test_results_of_a_test_have_all_names(place):
    assert sorted(WAYS['tools/test.py'](place)) == sorted(NAMES)
    assert sorted(path.name for path in Path('show/panels').iterdir()) == sorted(NAMES)


@pytest.mark.fault(9, 'mmderain merge-logs')
@pytest.mark.parametrize('damage', [b'', b'{"status": "ok"\n', b'\xff\0\n', b'[1]\nnull\n'])
def test_logs_name_all_inputs_also_if_lines_are_damaged(place, damage):
    model = ['--out', 'out', '--model', 'net.py', '--weights', 'net.pth', '--log', 'run.jsonl']
    Path('in/bad.png').write_bytes(b'no image')
    assert cli.main(['derain', 'in', *model]) == 1
    Path('run.jsonl').write_bytes(damage + Path('run.jsonl').read_bytes() + damage)
    place.printed()
    assert cli.main(['merge-logs', 'run.jsonl', '--inputs', 'in', '--out', 'all.jsonl']) == 1
    output = place.printed()
    assert f'{len(NAMES)} of {len(NAMES) + 1} inputs are complete, 1 failed, 0 are missing' in output
    assert 'failed: in/bad.png: cannot be read as an image' in output
    lines = [json.loads(line) for line in Path('all.jsonl').read_text().splitlines()]
    assert sorted(Path(line['input']).name for line in lines) == sorted([*NAMES, 'bad.png'])


@pytest.mark.fault(9, 'mmderain derain')
@pytest.mark.parametrize('name', ['x' * 251 + '.gif', 'x' * 250 + '.jfif', 'x' * 251 + '.PPM'])
def test_results_have_long_names_too(place, name):
    for path in Path('in').iterdir():
        path.unlink()
    Path('in', name).write_bytes(png(RGB8, 2))
    assert cli.main(['derain', 'in', '--out', 'out', '--model', 'net.py', '--weights', 'net.pth']) == 0
    (result,) = Path('out').iterdir()
    assert result.name == f'{Path(name).stem}.png'


DERAIN = ['--model', 'net.py', '--weights', 'net.pth']
TOOLS = {'prepare': 'prepare_dataset', 'evaluate': 'evaluate_folder'}
INTERFACES = {name: f'tools/{tool}.py' for name, tool in TOOLS.items()}
INTERFACES |= {name: f'mmderain {name}' for name in ('derain', 'rain', 'merge-logs')}
#: Maps arguments whose paths cannot be written to the beginning of the error message. `file` is a file, and `loop` is a
#: link to itself.
DESTINATIONS = {
    ('derain', 'in', '--out', 'file'): 'file: is a file; expected a folder',
    ('derain', 'in', '--out', 'out', '--log', 'in'): 'in: Is a directory',
    ('derain', 'in', '--out', 'out', '--log', 'file/run.jsonl'): 'file: File exists',
    ('derain', 'in', '--out', 'x' * 300): f'{"x" * 300}: File name too long',
    ('derain', 'loop', '--out', 'out'): 'loop: no such image, video or folder',
    ('rain', 'in', 'file'): 'file is a file; name a folder',
    ('rain', 'in', 'file/x'): 'file/x: Not a directory',
    ('rain', 'in', 'loop'): 'loop: File exists',
    ('rain', 'loop', 'out'): 'loop: no such folder',
    ('merge-logs', 'in', '--inputs', 'in'): 'in: no such log',
    ('prepare', 'photographs', 'in', 'file'): 'file: already exists',
    ('prepare', 'real_rain', 'in', 'loop'): 'loop: ',
    ('prepare', 'rain100l', 'in', 'loop'): 'in: no pairs of rain100l found',
    ('evaluate', 'in', 'in', '--out', 'file/x'): 'file/x: Not a directory',
}


@pytest.mark.parametrize(
    'words',
    [
        pytest.param(words, id=' '.join(words)[:60], marks=pytest.mark.fault(9, INTERFACES[words[0]]))
        for words in DESTINATIONS
    ],
)
def test_paths_that_cannot_be_read_or_written_are_named(place, words):
    Path('file').touch()
    Path('loop').symlink_to('loop')
    if words[0] in TOOLS:
        assert load_tool(TOOLS[words[0]]).main(list(words[1:])) == 1
    else:
        assert cli.main([*words, *(DERAIN if words[0] == 'derain' else [])]) == 1
    errors = [line for line in place.printed().splitlines() if line.startswith('error: ')]
    assert errors[0].startswith(f'error: {DESTINATIONS[words]}') and 'Errno' not in errors[0]
