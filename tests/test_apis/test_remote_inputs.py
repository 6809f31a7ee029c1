"""Inputs and results on servers give the same files as local ones."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, needs_aiohttp, smooth_image
from file_server import running_server
from object_store import empty_memory_folder, running_store

from mmderain.apis import DerainInferencer, Shard
from mmderain.apis.run_log import finished_outputs
from mmderain.cli import main
from mmderain.io import encode_image, read_image
from mmderain.io.remote import RemotePath
from mmderain.io.tar_shards import Member, open_shard, read_members, write_shard
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS

pytest.importorskip('fsspec', reason='needs the extra [remote]')


@MODELS.register_module()
class DarkenRemote(torch.nn.Module):
    """Network without weights that subtracts 20 levels."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x - 20 / 255]


CONFIG = dict(model=dict(type='Derainer', network=dict(type='DarkenRemote')), default_scope='mmderain')
#: Content of an image file of 120 kB, because noise cannot be compressed.
IMAGES = {
    name: encode_image(np.random.default_rng(seed).integers(20, 256, (200, 200, 3), np.uint8), '.png')
    for seed, name in enumerate(('a.png', 'b/c.png', 'b/d e#%.png'))
}

SMALL = encode_image(smooth_image(16, 16), '.png')


@pytest.fixture(scope='module')
def inferencer():
    return DerainInferencer(CONFIG)


@pytest.fixture(scope='module')
def store():
    with running_store() as running:
        folder = RemotePath.parse('s3://rain/photos')
        for name, content in IMAGES.items():
            (folder / name).write_bytes(content)
        yield running


@pytest.fixture(scope='module')
def local(tmp_path_factory, inferencer):
    """Return a folder with the images, and the content of each result file."""
    folder = tmp_path_factory.mktemp('local')
    for name, content in IMAGES.items():
        (folder / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / 'in' / name).write_bytes(content)
    inferencer(folder / 'in', out_dir=folder / 'out')
    results = {name: (folder / 'out' / name).read_bytes() for name in IMAGES}
    assert np.array_equal(read_image(folder / 'out' / 'a.png'), read_image(folder / 'in' / 'a.png') - 20)
    return folder / 'in', results


@pytest.fixture
def memory():
    return empty_memory_folder('inputs')


def contents(folder: RemotePath) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in folder.walk(lambda name: True)}


def test_a_folder_of_a_store_gives_the_same_files_in_a_store_and_on_the_disk(inferencer, store, local, tmp_path):
    results = inferencer('s3://rain/photos/', out_dir='s3://rain/derained', batch_size=2)
    assert [str(path) for path in results.predictions] == [f's3://rain/derained/{name}' for name in IMAGES]
    assert contents(RemotePath.parse('s3://rain/derained')) == local[1]
    inferencer('s3://rain/photos', out_dir=tmp_path / 'out')
    assert {name: (tmp_path / 'out' / name).read_bytes() for name in IMAGES} == local[1]
    inferencer(local[0], out_dir='s3://rain/uploaded')
    assert contents(RemotePath.parse('s3://rain/uploaded')) == local[1]


def test_a_lost_connection_in_the_middle_is_repeated(inferencer, store, local):
    with store.losing_connections(limit=60_000, losses=2) as proxy:
        assert inferencer('s3://rain/photos', out_dir='s3://rain/lost').failures == {}
        assert proxy.lost == 2
    assert contents(RemotePath.parse('s3://rain/lost')) == local[1]


@needs_aiohttp
def test_an_input_whose_connection_is_always_lost_fails_and_the_others_are_derained(inferencer, local, tmp_path):
    with running_server() as server:
        server.files.update(IMAGES)
        urls = [server.url('ok', 'a.png'), server.url('cut', 'b/c.png'), server.url('404', 'x.png')]
        failures = inferencer(urls, out_dir=tmp_path).failures
    assert list(failures) == urls[1:]
    assert failures[urls[1]].startswith(f'{urls[1]}: cannot be read (ClientPayloadError: ')
    assert failures[urls[2]] == f'{urls[2]}: no such file'
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [('a.png', local[1]['a.png'])]


def test_a_shard_whose_connection_is_lost_is_not_written(inferencer, store):
    with write_shard(RemotePath.parse('s3://rain/shards/0.tar')) as writer:
        for name, content in IMAGES.items():
            writer.add(Member(f'{name[:-4]}.png', content))
    with store.losing_connections(limit=60_000, losses=1000):
        (result,) = inferencer.stream(['s3://rain/shards/0.tar'], out_dir='s3://rain/derained_shards')
    assert result.name == 's3://rain/shards/0.tar'
    assert result.reason.startswith('s3://rain/shards/0.tar: cannot be derained (')
    assert not RemotePath.parse('s3://rain/derained_shards/0.tar').exists()
    results = list(inferencer.stream(['s3://rain/shards/0.tar'], out_dir='s3://rain/derained_shards'))
    assert [result.status for result in results] == ['ok'] * 3
    with open_shard(RemotePath.parse('s3://rain/derained_shards/0.tar')) as file:
        assert len(list(read_members(file, ''))) == 3


def test_arrays_and_single_images_are_read_and_written(inferencer, memory):
    (memory / 'a.png').write_bytes(IMAGES['a.png'])
    (array,) = inferencer(f'{memory}/a.png').predictions
    paths = inferencer([array, array, 'missing.png'], out_dir=f'{memory}/out').predictions
    assert paths == [memory / 'out/input_0.png', memory / 'out/input_1.png', None]
    assert paths[1].read_bytes() == encode_image(array - np.minimum(array, 20), '.png')
    with pytest.raises(FileNotFoundError, match='^missing.png: no such image, video or folder$'):
        inferencer('missing.png', out_dir=f'{memory}/out')


def test_existing_results_are_refused_kept_or_replaced(inferencer, memory, tmp_path):
    for name in ('in/a.png', 'in/b/c.png', 'out/a.png'):
        (memory / name).write_bytes(IMAGES['a.png'])
    call = dict(inputs=f'{memory}/in', out_dir=f'{memory}/out')
    assert inferencer(**call).failures == {
        'memory://inputs/in/a.png': "memory://inputs/out/a.png: already exists; use existing='replace' or 'skip' "
        '(--existing), or name another output folder'
    }
    log = tmp_path / 'log.jsonl'
    assert [r.skipped for r in inferencer.stream(**call, existing='skip', log=log)] == [True, True]
    assert finished_outputs(log) == {f'{memory}/out/a.png', f'{memory}/out/b/c.png'}
    assert list(inferencer.stream(**call, existing='skip', log=log)) == []
    assert main(['merge-logs', str(log), '--inputs', f'{memory}/in']) == 0
    assert (memory / 'out/a.png').read_bytes() == IMAGES['a.png']
    inferencer(**call, existing='replace')
    assert (memory / 'out/a.png').read_bytes() != IMAGES['a.png']


def test_shards_of_the_inputs_complete_each_other(inferencer, memory):
    for number in range(9):
        (memory / f'in/{number}.png').write_bytes(IMAGES['a.png'])
    parts = [list(inferencer.stream(f'{memory}/in', out_dir=f'{memory}/out', shard=Shard(i, 2))) for i in range(2)]
    assert all(parts)
    assert sorted(r.name for part in parts for r in part) == [f'{memory}/in/{number}.png' for number in range(9)]


def test_names_from_a_server_do_not_leave_the_output_folder(inferencer, memory, tmp_path):
    for name in ('in/a.png', 'in/../../evil.png'):
        (memory / name).write_bytes(IMAGES['a.png'])
    failures = inferencer(f'{memory}/in', out_dir=tmp_path / 'x' / 'out').failures
    assert failures == {
        'memory://inputs/in/../../evil.png': 'memory://inputs/in/../../evil.png: its name has an empty part, "..", '
        '"\\" or a zero byte; rename the file'
    }
    assert [path.name for path in tmp_path.rglob('*.png')] == ['a.png']


def test_the_command_reads_and_writes_urls(store, capsys, tmp_path):
    for name in ('a.png', 'b/c.png'):
        RemotePath.parse(f's3://rain/small/{name}').write_bytes(SMALL)
    log = tmp_path / 'log.jsonl'
    arguments = [
        'derain',
        's3://rain/small',
        '--out',
        's3://rain/command',
        '--model',
        'nafnet',
        '--precision',
        'fp32',
        '--log',
        str(log),
    ]
    assert main(arguments) == 0
    assert capsys.readouterr().out == '2 of 2 inputs derained; the results are in s3://rain/command\n'
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line['input'] for line in lines] == ['s3://rain/small/a.png', 's3://rain/small/b/c.png']
    assert [line['output'] for line in lines] == ['s3://rain/command/a.png', 's3://rain/command/b/c.png']


def test_local_inputs_import_neither_fsspec_nor_its_plug_ins(tmp_path):
    (tmp_path / 'a.png').write_bytes(SMALL)
    code = (
        'import sys; from mmderain.cli import main\n'
        "assert main(['derain', 'a.png', '--out', 'out', '--model', 'nafnet', '--precision', 'fp32']) == 0\n"
        "print([name for name in ('s3fs', 'aiohttp', 'webdataset', 'ray') if name in sys.modules])\n"
        "print([name for name in sys.modules if name.startswith('fsspec')])\n"
    )
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[1:] == ['[]', '[]'], done.stderr
