"""Download files into the cache folder: once for all processes, and checked by their hash at every use.

:mod:`mmderain.io.cache` describes the cache folder and the environment variables.
"""

import re
import sys
from contextlib import suppress
from os import environ
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from mmderain.errors import InputError

from .cache import CachedFile, is_offline, trusts_unhashed, url_name, write_errors
from .files import file_sha256
from .transfer import DownloadError, receive_file

#: Addresses that :func:`cached_file` accepts begin with one of these texts.
REMOTE = ('http://', 'https://', 'hf://')


def cached_file(
    address: str, sha256: str | None = None, trust_unhashed: bool | None = None, timeout: float = 30
) -> Path:
    """Return the file of a URL in the cache. Download it first if the cache does not contain it.

    The SHA-256 of the file is compared each time. The first of the following that exists is the expected hash:

    1. ``sha256``;
    2. a fragment of the address, as in ``https://example.org/sian.pth#sha256=...``;
    3. the digits at the end of the file name, as in ``resnet50-0676ba61.pth``;
    4. the hash that the file had when it was downloaded for the first time. It also completes a shorter hash.

    huggingface_hub downloads and stores the files of the Hugging Face Hub. They need a hash too, or a commit as their
    revision.

    Args:
        address: an http or https URL, or ``hf://owner/repository/file[@revision]`` for a file of the Hugging Face Hub.
        sha256: expected SHA-256, or its first hexadecimal digits, at least eight.
        trust_unhashed: whether a file without an expected hash is downloaded. None uses ``MMDERAIN_TRUST_UNHASHED``.
        timeout: number of seconds without an answer after which a try ends. Default: 30.

    Raises:
        InputError: the address or the hash is malformed, or the file has another hash or no expected hash. Also raised
            if the file is not in the cache and cannot be downloaded.
    """
    url, _, fragment = address.partition('#')
    sha256 = (sha256 or _fragment_hash(address, fragment) or '').lower()
    if sha256 and not re.fullmatch('[0-9a-f]{8,64}', sha256):
        raise InputError(f'{url}: found the hash {sha256!r}; expected 8 to 64 hexadecimal digits of its SHA-256')
    trusted = trusts_unhashed() if trust_unhashed is None else trust_unhashed
    if url.startswith('hf://'):
        _hub_parts(url)
        if not (sha256 or trusted or re.search('@[0-9a-f]{40}$', url)):
            raise _unhashed(url)
        return _check(_hugging_face_file(url), url, sha256)
    _require_url(url)
    file = CachedFile.of(url)
    expected, recorded = sha256 or _name_hash(file.path.name) or '', file.recorded_hash()
    if recorded and recorded.startswith(expected):
        expected = recorded
    if not expected and not trusted:
        raise _unhashed(url)
    if not file.path.is_file():
        _download_once(file, expected, timeout)
    path = _check(file.path, url, expected)
    if recorded is None and file.recorded_hash() is None:  # a person has saved the file there
        with suppress(OSError):  # the cache may be read-only
            file.write_record(file_sha256(path))
    return path


def _unhashed(url: str) -> InputError:
    """Return the error for an address without a known hash."""
    return InputError(
        f'{url}: the hash of this file is not known, so a damaged or replaced file would not be noticed. Add it to the '
        'address (#sha256=...), or accept the file as it is with --trust-unhashed or MMDERAIN_TRUST_UNHASHED=1'
    )


def _require_url(url: str) -> None:
    """Check that a text is an http or https URL with a host.

    Raises:
        InputError: it is not.
    """
    try:
        parts = urlsplit(url)
        correct = parts.scheme in ('http', 'https') and bool(parts.hostname) and parts.port != 0
    except ValueError:  # for example if the port is not a number
        correct = False
    if not correct:
        raise InputError(f'{url!r} is not a URL; expected http://HOST/PATH or https://HOST/PATH')


def local_file(source: str | Path) -> Path:
    """Return a path unchanged, or the file of an address in the cache.

    Raises:
        InputError: an address does not begin with one of :data:`REMOTE`, or :func:`cached_file` raises this error.
    """
    if str(source).startswith(REMOTE):
        return cached_file(str(source))
    if '://' in str(source):
        raise InputError(
            f'{source}: addresses of this type are not supported; expected a local file, or an http://, https:// or '
            'hf:// address. Download this file first'
        )
    return Path(source).expanduser()


def _fragment_hash(address: str, fragment: str) -> str | None:
    """Return the hash in the fragment of an address, or None if it has no fragment.

    Raises:
        InputError: the fragment is not ``sha256=`` with 64 hexadecimal digits.
    """
    if not fragment:
        return None
    found = re.fullmatch(r'sha256=([0-9a-fA-F]{64})', fragment)
    if not found:
        raise InputError(f'{address}: expected #sha256= and 64 hexadecimal digits at the end, found #{fragment}')
    return found[1]


def _name_hash(name: str) -> str | None:
    """Return the hash at the end of a file name such as ``resnet50-0676ba61.pth``, or None.

    A date such as 20220905 and a number of more than eight digits, such as a time stamp, are not hashes.
    """
    found = re.search(r'-([0-9a-f]{8,64})\.\w+$', name)
    return found[1] if found and not re.fullmatch(r'20\d{6}|\d{9,}', found[1]) else None


def _check(path: Path, url: str, expected: str | None) -> Path:
    """Return a path. If a hash is expected, first check that the file has it.

    Raises:
        InputError: the hash differs.
    """
    found = file_sha256(path) if expected else ''
    if expected and not found.startswith(expected):
        raise InputError(
            f'{path}: expected SHA-256 {expected}, found {found}; delete this file, so that it is downloaded again '
            f'from {url}'
        )
    return path


def _download_once(file: CachedFile, expected: str, timeout: float) -> None:
    """Download a file. If another process downloads it, wait until that process has finished.

    Raises:
        InputError: the file cannot be downloaded.
    """
    if is_offline():
        raise InputError(
            f'{file.url}: is not in the cache, and MMDERAIN_OFFLINE forbids downloads. Unset this variable, or save '
            f'the file as {file.path}'
        )
    with write_errors(file.path.parent):
        file.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file.path.parent / '.lock')
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f'another process is downloading {file.path.name}; waiting', file=sys.stderr)
            lock.acquire()
    with lock:
        if not file.path.is_file():
            _download(file, expected, timeout)


def _download(file: CachedFile, expected: str, timeout: float) -> None:
    """Download a file from the mirror or its published address, and move it to its place in the cache.

    Raises:
        InputError: no server sent the file. The message names each address and what was found there.
    """
    urls, mirror = [file.url], environ.get('MMDERAIN_MIRROR')
    if mirror:
        _require_url(mirror)
        # The mirror may be the published server.
        urls = list(dict.fromkeys([f'{mirror.rstrip("/")}/{url_name(file.url)}', file.url]))
    part = file.path.with_name(f'.{file.path.name}.part')
    reasons = []
    with write_errors(file.path):
        for url in urls:
            try:
                found = receive_file(url, part, expected, timeout)
            except DownloadError as error:
                reasons.append(f'{url}: {error}')
                continue
            except OSError:
                part.unlink(missing_ok=True)
                raise
            file.write_record(found)
            part.replace(file.path)
            return
    raise InputError(
        '; '.join(reasons) + f'. Try again later, set MMDERAIN_MIRROR to a server with this file, or get it in another '
        f'way and save it as {file.path}'
    )


def _hugging_face_file(address: str) -> Path:
    """Return a file of the Hugging Face Hub. The package huggingface_hub downloads it into its own cache.

    Args:
        address: ``hf://owner/repository/file[@revision]``. The file can be in a folder of the repository.

    Raises:
        InputError: the address has another form, huggingface_hub is not installed, or the file cannot be downloaded.
    """
    repository, name, revision = _hub_parts(address)
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise InputError(f'{address}: this address needs huggingface_hub; run `pip install huggingface_hub`') from None
    try:
        file = hf_hub_download(repository, name, revision=revision or None, local_files_only=is_offline())
    except Exception as error:  # it raises exceptions of many types, also of the HTTP library that it uses
        reason = f'{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}'
        if is_offline():
            reason = 'it is not in the cache of huggingface_hub, and MMDERAIN_OFFLINE forbids downloads'
        raise InputError(
            f'{address}: cannot be downloaded ({reason}). Get the file in another way, and name its path'
        ) from error
    return Path(file)


def _hub_parts(address: str) -> tuple[str, str, str]:
    """Return repository, file and revision ('' if there is none) of an address of the Hugging Face Hub.

    Raises:
        InputError: the address has another form.
    """
    path, _, revision = address.removeprefix('hf://').partition('@')
    owner, _, rest = path.partition('/')
    repository, _, name = rest.partition('/')
    if not name:
        raise InputError(f'{address}: expected hf://OWNER/REPOSITORY/FILE or hf://OWNER/REPOSITORY/FILE@REVISION')
    return f'{owner}/{repository}', name, revision
