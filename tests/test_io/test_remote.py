import sys

import numpy as np
import pytest
from conftest import needs_aiohttp
from file_server import running_server
from object_store import LosingProxy, empty_memory_folder, running_store

from mmderain.errors import InputError
from mmderain.io.remote import RemotePath, is_remote, is_safe_name
from mmderain.io.tar_shards import Member, open_shard, read_members, write_shard

pytest.importorskip('fsspec', reason='needs the extra [remote]')
#: Incompressible content of 200 kB, so that a connection can be lost in the middle of it.
CONTENT = np.random.default_rng(0).bytes(200_000)


@pytest.fixture(scope='module')
def store():
    with running_store() as running:
        yield running


@pytest.fixture
def memory():
    return empty_memory_folder('test_remote')


def test_urls_are_told_from_paths():
    texts = ['s3://b/a.png', 'HTTPS://x', 'memory://', 'a.png', 'C:\\a', '/s3://b', 'a/b://c', '://x']
    assert [is_remote(text) for text in texts] == [True, True, True, False, False, False, False, False]
    assert not is_remote(None)


@pytest.mark.parametrize(
    'url, message',
    [
        (
            'file:///etc',
            'found a URL with file://; expected a local path, or one of s3://, gs://, http://, https://, ',
        ),
        ('htp://host/a.png', "found a URL with htp://; .* memory://; did you mean 'http'\\?"),
        ('S3://bucket', 'found a URL with S3://;'),
    ],
)
def test_other_protocols_are_refused(url, message):
    with pytest.raises(InputError, match=f'^{url}: {message}'):
        RemotePath.parse(url)


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'fsspec', None)
    with pytest.raises(InputError) as caught:
        RemotePath.parse('s3://rain/a.png')
    assert str(caught.value) == (
        's3://rain/a.png: a library is missing (import of fsspec halted; None in sys.modules); run `pip install '
        '"mmderain[remote]"`'
    )


def test_google_cloud_needs_a_library_of_its_own(monkeypatch):
    monkeypatch.setitem(sys.modules, 'gcsfs', None)
    with pytest.raises(InputError, match=r'^gs://rain: a library is missing \(.*gcsfs.*\); run `pip install gcsfs`$'):
        RemotePath.parse('gs://rain')


def test_memory_files_are_written_listed_and_read(memory):
    for name in ('b/2.png', 'b/10.png', 'a.png', 'c.txt', 'b/d/.hidden.png'):
        (memory / name).write_bytes(name.encode())
    wanted = list(memory.walk(lambda name: name.endswith('.png') and not name.startswith('.')))
    assert wanted == ['a.png', 'b/10.png', 'b/2.png']
    assert (memory / 'b/2.png').read_bytes() == b'b/2.png'
    assert [(memory / name).exists() for name in ('a.png', 'b', 'x.png')] == [True, False, False]
    assert ((memory / 'b/2.png').name, str(memory / 'a.png')) == ('2.png', 'memory://test_remote/a.png')


def test_missing_files_and_folders_are_named(memory):
    with pytest.raises(InputError, match=r'^memory://test_remote/x\.png: no such file$'):
        (memory / 'x.png').read_bytes()
    with pytest.raises(InputError, match=r'^memory://test_remote/x: no such folder$'):
        next((memory / 'x').walk(bool))


@pytest.mark.parametrize('name', ['../a.png', 'a/../../b.png', '/a.png', 'a//b.png', './a.png', 'a\\b.png', 'a\0.png'])
def test_names_that_leave_a_folder_are_not_safe(name):
    assert not is_safe_name(name)
    assert is_safe_name('a/b..c/d e.png')


@needs_aiohttp
def test_web_servers_are_read_only(tmp_path):
    with running_server() as server:
        server.files['a.png'] = CONTENT
        image = RemotePath.parse(server.url('ok', 'a.png') + '?signature=a/b')
        assert (image.name, image.read_bytes()) == ('a.png', CONTENT)
        with pytest.raises(InputError, match=r': web servers are read only; expected a local folder, s3:// or gs://$'):
            image.write_bytes(b'')
        with pytest.raises(InputError, match=r': the files on a web server cannot be listed; name each image$'):
            RemotePath.parse(server.url('ok')).walk(bool)
        with pytest.raises(InputError, match=r'/404/a\.png: no such file$'):
            RemotePath.parse(server.url('404', 'a.png')).read_bytes()
        with pytest.raises(InputError, match=r'/403/a\.png: cannot be read \(ClientResponseError: 403, message='):
            RemotePath.parse(server.url('403', 'a.png')).read_bytes()
        with pytest.raises(InputError, match=r'/cut/a\.png: cannot be read \(ClientPayloadError: '):
            RemotePath.parse(server.url('cut', 'a.png')).read_bytes()
        assert [path for path, _ in server.requests].count('/cut/a.png') == 3


@needs_aiohttp
def test_a_download_from_a_web_server_is_repeated_if_its_connection_is_lost():
    with running_server() as server:
        server.files['a.png'] = CONTENT
        proxy = LosingProxy(server.server_port, limit=100_000, losses=2)
        assert RemotePath.parse(f'http://127.0.0.1:{proxy.port}/ok/a.png').read_bytes() == CONTENT
        assert proxy.lost == 2
        proxy.close()


def test_objects_are_written_listed_and_read(store, tmp_path):
    folder = RemotePath.parse('s3://rain/photos/')
    for name in ('b/2.png', 'a.png', 'c.txt'):
        (folder / name).write_bytes(CONTENT)
    (tmp_path / 'large').write_bytes(CONTENT * 2)
    (folder / 'b/large.png').upload(tmp_path / 'large')
    assert list(folder.walk(lambda name: name.endswith('.png'))) == ['a.png', 'b/2.png', 'b/large.png']
    assert (folder / 'a.png').read_bytes() == CONTENT
    assert (folder / 'b/large.png').read_bytes() == CONTENT * 2
    assert [(folder / name).exists() for name in ('a.png', 'b', 'x.png')] == [True, False, False]
    with pytest.raises(InputError, match=r'^s3://rain/photos/x\.png: no such file$'):
        (folder / 'x.png').read_bytes()
    with pytest.raises(InputError, match=r'^s3://missing/a\.png: cannot be written|no such file'):
        RemotePath.parse('s3://missing/a.png').write_bytes(b'')


def test_a_download_is_repeated_if_its_connection_is_lost(store):
    RemotePath.parse('s3://rain/lost.png').write_bytes(CONTENT)
    with store.losing_connections(limit=100_000, losses=1) as proxy:
        assert RemotePath.parse('s3://rain/lost.png').read_bytes() == CONTENT
        assert proxy.lost == 1


def test_a_download_that_is_always_lost_fails_with_its_name(store):
    RemotePath.parse('s3://rain/lost.png').write_bytes(CONTENT)
    with store.losing_connections(limit=100_000, losses=1000) as proxy:
        with pytest.raises(InputError, match=r'^s3://rain/lost\.png: cannot be read \('):
            RemotePath.parse('s3://rain/lost.png').read_bytes()
        assert proxy.lost > 1


def test_shards_are_read_and_written_in_a_store(store):
    members = [Member(f'{number:06}.png', CONTENT[number:], 7) for number in range(3)]
    url = RemotePath.parse('s3://rain/shards/000.tar')
    with write_shard(url) as writer:
        for member in members:
            writer.add(member)
    with open_shard(url) as file:
        assert list(read_members(file, url.url)) == members
    web = RemotePath.parse(f'http://127.0.0.1:{store.port}/rain/shards/000.tar')
    with pytest.raises(InputError, match=r'/000\.tar: cannot be read \(ClientResponseError: 403, '), open_shard(web):
        pass
    url.filesystem.chmod(url.url, 'public-read')
    with open_shard(web) as file:
        assert list(read_members(file, url.url)) == members
    with store.losing_connections(limit=100_000, losses=1) as proxy:
        with open_shard(RemotePath.parse(url.url)) as file:
            assert list(read_members(file, url.url)) == members
        assert proxy.lost == 1


def test_an_error_leaves_no_object(store):
    url = RemotePath.parse('s3://rain/broken.tar')
    with pytest.raises(ZeroDivisionError), write_shard(url) as writer:
        writer.add(Member('a.png', CONTENT))
        1 / 0  # noqa: B018
    assert not url.exists()


def test_a_server_that_cannot_be_asked_does_not_mean_that_a_file_is_missing(memory, monkeypatch):
    (memory / 'a.png').write_bytes(b'old')

    def refuse(path, **_):
        raise PermissionError('Forbidden')

    monkeypatch.setattr(memory.filesystem, 'info', refuse)
    with pytest.raises(InputError) as caught:
        (memory / 'a.png').exists()
    reason = 'cannot be looked up, access denied (Forbidden); check the credentials'
    assert str(caught.value) == f'memory://test_remote/a.png: {reason}'
