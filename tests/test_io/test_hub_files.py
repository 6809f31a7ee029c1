"""Files of the Hugging Face Hub."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from file_server import running_server

from mmderain.errors import InputError
from mmderain.io.download import cached_file

CONTENT = b'the weights of a network'
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    """Start a server that answers like the Hub."""
    with running_server() as server:
        yield server


def test_a_file_of_the_hub_is_downloaded_by_huggingface_hub(server, tmp_path):
    """huggingface_hub reads the address of its server when it is imported, so the test needs a new process."""
    server.files['repository/resolve/main/a/b.pth'] = CONTENT
    code = 'import sys; from mmderain.io.download import cached_file; print(cached_file(*sys.argv[1:]))'
    environment = {key: value for key, value in os.environ.items() if not key.startswith(('MMDERAIN_', 'HF_'))}
    environment |= dict(HF_ENDPOINT=server.url(''), HF_HOME=str(tmp_path), HF_HUB_DISABLE_XET='1')
    address = 'hf://owner/repository/a/b.pth'

    def run(sha256: str) -> subprocess.CompletedProcess:
        command = [sys.executable, '-c', code, address, sha256]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    done = run(SHA256)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == CONTENT and str(tmp_path) in done.stdout
    assert f'expected SHA-256 {"0" * 64}, found {SHA256}' in run('0' * 64).stderr
    # A module that is None in sys.modules cannot be imported, as if it were not installed.
    code = 'import sys; sys.modules["huggingface_hub"] = None; ' + code
    assert f'{address}: this address needs huggingface_hub; run `pip install' in run(SHA256).stderr


def test_a_file_of_the_hub_needs_a_hash_or_a_commit(monkeypatch):
    with pytest.raises(InputError, match='hf://owner/repository/a.pth@main: the hash of this file is not known'):
        cached_file('hf://owner/repository/a.pth@main')
    monkeypatch.setenv('MMDERAIN_OFFLINE', '1')
    with pytest.raises(InputError, match=r'a.pth@0{40}: cannot be downloaded \(it is not in the cache'):
        cached_file(f'hf://owner/repository/a.pth@{"0" * 40}')


@pytest.mark.parametrize('address', ['hf://owner', 'hf://owner/repository', 'hf://owner/repository/'])
def test_an_incomplete_address_of_the_hub_is_refused(address):
    with pytest.raises(InputError, match=f'{address}: expected hf://OWNER/REPOSITORY/FILE'):
        cached_file(address)
