"""Published weights: which network they belong to, and their conversion in the cache."""

import hashlib
import itertools
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import torch
from file_server import file_of
from filelock import FileLock
from golden import authors_keys, fill
from safetensors.torch import load_file

from mmderain import cli
from mmderain.errors import InputError
from mmderain.hub.convert import convert
from mmderain.hub.index import find_config
from mmderain.hub.published import converted_weights, published_weights
from mmderain.io.cache import CachedFile, cached_files

URL = 'https://example.invalid/rain100l.pth'


# --- the checkpoint of another network -----------------------------------------------------------

FILES = {'sian': ('sian', None), 'jdnet': ('jdnet2', 'net'), 'nasnet': ('nasnet', 'model')}


@pytest.mark.parametrize('named, given', itertools.permutations(FILES, 2))
def test_the_checkpoint_of_another_network_is_recognized(named, given, tmp_path, capsys):
    keys, wrapper = FILES[given]
    weights = fill(authors_keys(keys), 1)
    torch.save(weights if wrapper is None else {wrapper: weights}, tmp_path / 'a.pth')
    assert cli.main(['convert', named, str(tmp_path / 'a.pth'), str(tmp_path / 'b.pth')]) == 1
    message = f'the weights are those of {given}; run the command with {given} instead of {named}\n'
    assert capsys.readouterr().err.endswith(message)
    assert not (tmp_path / 'b.pth').exists()


def test_an_incomplete_checkpoint_is_not_one_of_another_network():
    weights = fill(authors_keys('sian'), 1)
    del weights['body.tran_conv.weight']
    with pytest.raises(InputError, match=r'^missing key: body.tran_conv.weight\n1 in total$'):
        convert('sian', weights)
    with pytest.raises(InputError, match=r'missing key: enterBlock.0.weight\n'):
        convert('jdnet', {'other': torch.zeros(1)})


# --- conversion ----------------------------------------------------------------------------------

#: Arguments: URL and SHA-256 of the checkpoint. A process says when it starts the conversion.
PROGRAM = """
import sys
from mmderain.hub.index import find_config
from mmderain.hub.published import published_weights
config = find_config('sian_rain100l')
print('ready', flush=True)
print(published_weights('sian_rain100l', *sys.argv[1:], 'sian', config, 'the terms'))
"""


@pytest.fixture
def weights(mirror):
    """Put weights in the format of SIAN's authors on the mirror."""
    weights = fill(authors_keys('sian'), 1)
    mirror.files['rain100l.pth'] = file_of(weights)
    return weights


def sha256_of(mirror):
    return hashlib.sha256(mirror.files['rain100l.pth']).hexdigest()


def test_two_processes_convert_once(weights, mirror):
    path = converted_weights('sian_rain100l')
    path.parent.mkdir(parents=True)
    command = [sys.executable, '-c', PROGRAM, URL, sha256_of(mirror)]
    options = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with FileLock(path.parent / '.sian_rain100l.lock'):  # both processes find no weights, and wait for this lock
        processes = [subprocess.Popen(command, **options) for _ in range(2)]
        assert [process.stdout.readline() for process in processes] == ['ready\n'] * 2
        while not CachedFile.of(URL).path.is_file():
            assert all(process.poll() is None for process in processes)
            time.sleep(0.02)
        time.sleep(0.3)
        assert not path.exists()
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert [out for out, _ in outputs] == [f'{path}\n'] * 2
    assert ''.join(err for _, err in outputs).count('the terms') == 1  # printed after a conversion
    assert [request for request, _ in mirror.requests] == ['/ok/rain100l.pth']
    assert torch.equal(load_file(path)['network.embed.weight'], weights['body.tran_conv.weight'])
    assert sorted(file.name for file in path.parent.iterdir() if file.suffix != '.lock') == [path.name]


# --- a full disk ---------------------------------------------------------------------------------


@contextmanager
def small_disk(folder, size):
    """Mount a file system with this size. Skip the test if this is not allowed."""
    folder.mkdir()
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', folder], capture_output=True)
    if done.returncode:
        pytest.skip(f'only root may mount a small file system ({done.stderr.decode().strip()})')
    try:
        yield
    finally:
        subprocess.run(['umount', '-l', folder], check=True)  # a mapped file may still be open


@pytest.mark.skipif(sys.platform != 'linux', reason='mounts a tmpfs, which only Linux has')
@pytest.mark.parametrize('size, name', [('1m', 'rain100l.pth'), ('3m', 'sian_rain100l.safetensors')])
def test_a_full_disk(size, name, weights, mirror, tmp_path, monkeypatch):
    """The disk is full during the download or the conversion. After some space is freed, a second call succeeds."""
    disk, config = tmp_path / 'disk', find_config('sian_rain100l')
    monkeypatch.setenv('MMDERAIN_HOME', str(disk))
    with small_disk(disk, size):
        with pytest.raises(InputError, match=rf'/{name}: cannot be written \(the disk is full\)\. Free some space'):
            published_weights('sian_rain100l', URL, sha256_of(mirror), 'sian', config, '')
        complete = [path.name for path, _ in cached_files()]
        assert complete == ([] if name == 'rain100l.pth' else ['rain100l.pth'])
        left = {path.name for path in disk.rglob('*') if path.is_file()}
        assert left <= {'.lock', '.sian_rain100l.lock', 'record.json', *complete}
        subprocess.run(['mount', '-o', 'remount,size=8m', disk], check=True)
        path = published_weights('sian_rain100l', URL, sha256_of(mirror), 'sian', config, '')
        assert torch.equal(load_file(path)['network.embed.weight'], weights['body.tran_conv.weight'])
