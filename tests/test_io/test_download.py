"""Downloads into the cache, from a server that misbehaves in many ways."""

import contextlib
import hashlib
import multiprocessing
import os
import resource
import signal
import time
from urllib.parse import quote, unquote

import pytest
from file_server import running_server
from filelock import FileLock

from mmderain.errors import InputError
from mmderain.io import transfer
from mmderain.io.cache import CachedFile, cache_folder, cached_files, clear_cache, forget_downloads
from mmderain.io.download import cached_file, local_file

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
#: Processes that share the server of the test. They begin with the modules that are already imported.
FORK = multiprocessing.get_context('fork')


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Let failed downloads start again without a pause."""
    monkeypatch.setattr(transfer, 'PAUSE', 0)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Start a server with one file, and use an empty cache."""
    monkeypatch.setenv('MMDERAIN_HOME', str(tmp_path / 'cache'))
    for name in ('MMDERAIN_OFFLINE', 'MMDERAIN_MIRROR', 'MMDERAIN_TRUST_UNHASHED', 'http_proxy', 'HTTP_PROXY'):
        monkeypatch.delenv(name, raising=False)
    with running_server() as server:
        server.files['a.pth'] = CONTENT
        yield server


def part_of(url):
    """Return the path of the incomplete file of a URL."""
    path = CachedFile.of(url).path
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f'.{path.name}.part')


def assert_clean(capsys):
    """Check that the cache contains no complete file, and that no traceback was printed."""
    assert list(cached_files()) == []
    assert 'Traceback' not in capsys.readouterr().err


# --- hashes --------------------------------------------------------------------------------------


def test_a_file_is_downloaded_once(server):
    url = server.url('ok', 'a.pth')
    path = cached_file(url, SHA256)
    assert path.read_bytes() == CONTENT and path.name == 'a.pth'
    assert cached_file(f'{url}#sha256={SHA256}') == path and local_file(f'{url}#sha256={SHA256}') == path
    assert server.requests == [('/ok/a.pth', None)]
    assert list(cached_files()) == [(path, url)]


@pytest.mark.parametrize('name', ['a-{}.pth', 'rtmdet_s_20220905_161602-{}.pth'])
def test_the_hash_in_a_file_name_is_checked(server, name):
    """The eight digits are checked after the download; later all 64 digits are checked."""
    good, bad = name.format(SHA256[:8]), name.format('0123abcd')
    server.files |= {good: CONTENT, bad: CONTENT}
    assert cached_file(server.url('ok', good)).read_bytes() == CONTENT
    with pytest.raises(InputError, match=f'/ok/{bad}: expected SHA-256 0123abcd, found {SHA256}'):
        cached_file(server.url('ok', bad))


@pytest.mark.parametrize('name', ['a-20220905.pth', 'a-1700000000.pth'])
def test_dates_and_time_stamps_in_a_file_name_are_not_hashes(server, name):
    with pytest.raises(InputError, match='the hash of this file is not known'):
        cached_file(server.url('ok', name))


def test_the_recorded_hash_completes_a_short_hash(server):
    name = f'a-{SHA256[:8]}.pth'
    server.files[name] = CONTENT
    path = cached_file(server.url('ok', name))
    with pytest.raises(InputError, match=f'expected SHA-256 {SHA256}, found'):
        path.write_bytes(CONTENT[1:])
        cached_file(server.url('ok', name))


@pytest.mark.parametrize('sha256', ['9', 'x' * 64, '0' * 65])
def test_a_malformed_hash_is_refused(server, sha256):
    with pytest.raises(InputError, match='expected 8 to 64 hexadecimal digits'):
        cached_file(server.url('ok', 'a.pth'), sha256)


@pytest.mark.parametrize('url', ['http://', 'http:///a.pth', 'http://[::1/a.pth', 'http://host:port/a.pth'])
def test_a_malformed_address_is_refused(server, url, monkeypatch):
    with pytest.raises(InputError, match='is not a URL; expected http://HOST/PATH'):
        cached_file(url, SHA256)
    monkeypatch.setenv('MMDERAIN_MIRROR', url.removeprefix('http://') or 'mirror')
    with pytest.raises(InputError, match='is not a URL; expected http://HOST/PATH'):
        cached_file(server.url('ok', 'a.pth'), SHA256)


@pytest.mark.parametrize('name', ['caf%C3%A9.pth', 'café.pth', 'a b.pth', '..', '%2E%2E%2Fx', 'record.json', ''])
def test_the_name_in_an_address_cannot_leave_its_folder(server, name):
    server.files |= {quote(unquote(name)): CONTENT, name: CONTENT, '..': CONTENT}
    path = cached_file(server.url('ok', name) + ('/' if not name else ''), SHA256)
    assert path.read_bytes() == CONTENT and path.parent.parent == cache_folder() / 'downloads'
    assert path.name not in ('record.json', '.lock')


@pytest.mark.parametrize('fragment', ['sha256=12', 'md5=12', 'a', f'sha256={SHA256}0'])
def test_a_wrong_fragment_is_refused(server, fragment):
    with pytest.raises(InputError, match=f'expected #sha256= and 64 hexadecimal digits at the end, found #{fragment}'):
        cached_file(server.url('ok', f'a.pth#{fragment}'))
    assert server.requests == []


def test_a_file_without_a_hash_must_be_trusted_and_its_hash_is_remembered(server, monkeypatch):
    url = server.url('ok', 'a.pth')
    with pytest.raises(InputError, match='the hash of this file is not known.*--trust-unhashed'):
        cached_file(url)
    assert server.requests == []
    monkeypatch.setenv('MMDERAIN_TRUST_UNHASHED', '1')
    path = cached_file(url)
    monkeypatch.delenv('MMDERAIN_TRUST_UNHASHED')
    assert cached_file(url) == path
    assert clear_cache() == [path]
    server.files['a.pth'] = CONTENT[::-1]  # somebody has exchanged the file on the server
    for trust in (False, True):
        with pytest.raises(InputError, match=f'expected SHA-256 {SHA256}, found'):
            cached_file(url, trust_unhashed=trust)
    assert forget_downloads('b.pth') == [] and forget_downloads('a.pth') == [path]
    assert cached_file(url, trust_unhashed=True).read_bytes() == CONTENT[::-1]


def test_after_forget_a_replaced_file_is_accepted(server):
    url = server.url('ok', 'a.pth')
    path = cached_file(url, trust_unhashed=True)
    server.files['a.pth'] = CONTENT[::-1]
    assert cached_file(url).read_bytes() == CONTENT
    assert forget_downloads() == [path] and not path.exists()
    assert cached_file(url, trust_unhashed=True).read_bytes() == CONTENT[::-1]


def test_a_changed_file_in_the_cache_is_refused(server):
    url = server.url('ok', 'a.pth')
    path = cached_file(url, SHA256)
    path.write_bytes(CONTENT[1:])
    with pytest.raises(InputError, match=f'{path}: expected SHA-256 {SHA256}, found .*delete this file'):
        cached_file(url, SHA256)


def test_a_damaged_record_is_reported(server):
    file = CachedFile.of(server.url('ok', 'a.pth'))
    cached_file(file.url, SHA256)
    file.record.write_text('{')
    with pytest.raises(InputError, match=f'{file.record}: cannot be read as a record of a download; delete this file'):
        cached_file(file.url)


def test_a_file_that_a_person_put_into_the_cache_is_used(server, monkeypatch):
    monkeypatch.setenv('MMDERAIN_OFFLINE', '1')
    file = CachedFile.of('https://example.org/weights/b.pth')
    with pytest.raises(InputError, match=f'MMDERAIN_OFFLINE forbids downloads.*save the file as {file.path}'):
        cached_file(file.url, SHA256)
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(CONTENT)
    assert cached_file(file.url, SHA256) == file.path
    assert list(cached_files()) == [(file.path, file.url)]


# --- incomplete downloads ------------------------------------------------------------------------


@pytest.mark.parametrize(
    'behavior, first, asked',
    [
        ('ok', CONTENT[:1000], ['bytes=1000-']),
        ('no-ranges', CONTENT[:1000], ['bytes=1000-']),  # the server sends the whole file
        ('ok', b'other', ['bytes=5-', None]),  # the result has a wrong hash, so the download starts again
        ('ok', CONTENT, [f'bytes={len(CONTENT)}-', None]),  # the process was killed before the file was renamed
        ('ok', CONTENT + b'1', [f'bytes={len(CONTENT) + 1}-', None]),
    ],
)
def test_an_incomplete_download_is_continued(server, behavior, first, asked):
    url = server.url(behavior, 'a.pth')
    part_of(url).write_bytes(first)
    assert cached_file(url, SHA256).read_bytes() == CONTENT
    assert [header for _, header in server.requests] == asked
    assert not part_of(url).exists()


def test_without_a_hash_an_incomplete_download_starts_again(server):
    url = server.url('ok', 'a.pth')
    part_of(url).write_bytes(b'other')
    assert cached_file(url, trust_unhashed=True).read_bytes() == CONTENT
    assert server.requests == [('/ok/a.pth', None)]


def test_without_a_hash_the_parts_of_two_servers_are_not_joined(server, monkeypatch):
    monkeypatch.setenv('MMDERAIN_MIRROR', server.url('stuck'))
    assert cached_file(server.url('ok', 'a.pth'), trust_unhashed=True).read_bytes() == CONTENT
    assert [header for _, header in server.requests] == [None] * 4


def test_the_parts_of_interrupted_downloads_are_deleted_but_not_those_of_running_ones(server):
    for url, held in ((server.url('ok', 'a.pth'), False), (server.url('ok', 'b.pth'), True)):
        part_of(url).write_bytes(b'1')
        with FileLock(part_of(url).parent / '.lock') if held else contextlib.nullcontext():
            clear_cache()
        assert part_of(url).exists() == held


def test_a_connection_that_ends_early_is_continued(server):
    server.files['a.pth'] = CONTENT[:4]  # the server sends 2 bytes, then 1, then 1
    sha256 = hashlib.sha256(CONTENT[:4]).hexdigest()
    assert cached_file(server.url('cut', 'a.pth'), sha256).read_bytes() == CONTENT[:4]
    assert [header for _, header in server.requests] == [None, 'bytes=2-', 'bytes=3-']


def test_a_killed_download_leaves_nothing_that_counts(server, monkeypatch):
    url = server.url('hang', 'a.pth')
    process = FORK.Process(target=cached_file, args=(url, SHA256))
    process.start()
    while not (part_of(url).is_file() and part_of(url).stat().st_size == len(CONTENT) // 2):
        assert process.is_alive()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert list(cached_files()) == []
    # Another server has the same file at the end of a redirection. The lock of the killed process is free.
    monkeypatch.setenv('MMDERAIN_MIRROR', server.url('redirect'))
    assert cached_file(url, SHA256).read_bytes() == CONTENT
    assert [header for _, header in server.requests[1:]] == [f'bytes={len(CONTENT) // 2}-'] * 2


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'behavior, reason, tries',
    [
        ('404', 'the server answered 404 Not Found', 1),
        ('403', 'the server answered 403 Forbidden', 1),
        ('503', 'the server answered 503 Service Unavailable', 3),
        ('429', 'the server answered 429 Too Many Requests', 3),
        ('web-page', r'found a web page \(text/html\)', 1),
        ('slow', 'no answer for 0.2 seconds', 3),
        ('hang', 'no answer for 0.2 seconds', 3),
        ('stuck', 'the connection ended after 524,288 of 1,048,576 bytes', 3),
    ],
)
def test_the_error_names_address_reason_and_remedy(server, behavior, reason, tries, capsys):
    url = server.url(behavior, 'a.pth')
    with pytest.raises(InputError, match=f'{url}: {reason}.*save it as {CachedFile.of(url).path}') as error:
        cached_file(url, SHA256, timeout=0.2)
    assert '\n' not in str(error.value)
    assert len(server.requests) == tries
    assert_clean(capsys)


def test_a_wrong_file_is_refused(server, capsys):
    url = server.url('ok', 'a.pth')
    with pytest.raises(InputError, match=f'{url}: expected SHA-256 {"0" * 64}, found {SHA256}'):
        cached_file(url, '0' * 64)
    assert_clean(capsys)
    assert not part_of(url).exists()


def test_no_server(server, capsys):
    with pytest.raises(InputError, match='http://127.0.0.1:1/a.pth: the connection failed .*refused'):
        cached_file('http://127.0.0.1:1/a.pth', SHA256)
    assert_clean(capsys)


def test_offline_nothing_is_asked(server, monkeypatch):
    url = server.url('ok', 'a.pth')
    path = cached_file(url, SHA256)
    monkeypatch.setenv('MMDERAIN_OFFLINE', '1')
    assert cached_file(url, SHA256) == path
    with pytest.raises(InputError, match='is not in the cache, and MMDERAIN_OFFLINE forbids downloads'):
        cached_file(server.url('redirect', 'a.pth'), SHA256)
    assert len(server.requests) == 1


def limited(url):
    """Download with a limit of 1000 bytes for each file, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        cached_file(url, SHA256)
    except InputError as error:
        os._exit(0 if 'a.pth: cannot be written (' in str(error) else 1)
    os._exit(2)


def test_a_file_that_cannot_be_written(server, capsys):
    url = server.url('ok', 'a.pth')
    process = FORK.Process(target=limited, args=(url,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert not part_of(url).exists()
    assert_clean(capsys)


def test_a_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    url = server.url('ok', 'a.pth')
    path = cached_file(url, SHA256)
    before = sorted((p, p.stat().st_mtime_ns) for p in path.parent.iterdir())
    assert cached_file(url, SHA256) == path  # reads only
    assert sorted((p, p.stat().st_mtime_ns) for p in path.parent.iterdir()) == before
    (tmp_path / 'file').touch()
    monkeypatch.setenv('MMDERAIN_HOME', str(tmp_path / 'file'))
    with pytest.raises(InputError, match='cannot be written.*set MMDERAIN_HOME to a folder of your own'):
        cached_file(url, SHA256)


# --- mirrors, proxies, processes -----------------------------------------------------------------


def test_the_mirror_is_asked_first(server, monkeypatch):
    monkeypatch.setenv('MMDERAIN_MIRROR', server.url('ok') + '/')
    assert cached_file('https://example.org/weights/a.pth', SHA256).read_bytes() == CONTENT
    assert server.requests == [('/ok/a.pth', None)]


def test_if_the_mirror_has_no_such_file_the_published_address_is_asked(server, monkeypatch):
    monkeypatch.setenv('MMDERAIN_MIRROR', server.url('404'))
    assert cached_file(server.url('redirect', 'a.pth'), SHA256).read_bytes() == CONTENT
    with pytest.raises(InputError, match='/404/a.pth: the server answered 404.*; http.*/403/a.pth: .* 403 Forbidden'):
        cached_file(server.url('403', 'a.pth'), SHA256)


def test_a_proxy_is_used(server, monkeypatch):
    monkeypatch.setenv('http_proxy', f'http://127.0.0.1:{server.server_port}')
    for name in ('no_proxy', 'NO_PROXY'):
        monkeypatch.delenv(name, raising=False)
    assert cached_file('http://example.invalid/ok/a.pth', SHA256).read_bytes() == CONTENT
    assert server.requests == [('http://example.invalid/ok/a.pth', None)]


def test_eight_processes_download_once(server):
    url = server.url('slow', 'a.pth')
    processes = [FORK.Process(target=cached_file, args=(url, SHA256)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    assert server.requests == [('/slow/a.pth', None)]
    assert cached_file(url, SHA256).read_bytes() == CONTENT
