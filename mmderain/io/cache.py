"""The cache folder of downloaded files, and the environment variables that control downloads.

================================  =====================================================================================
``MMDERAIN_HOME``                 the cache folder. Default: ``mmderain`` in the folder of ``torch.hub``, which is
                                  ``~/.cache/torch/hub`` on most systems.
``MMDERAIN_OFFLINE=1``            use only files in the cache; never connect to a server.
``MMDERAIN_MIRROR=URL``           ask for ``URL/<file name>`` before the published address.
``MMDERAIN_TRUST_UNHASHED=1``     accept a download without a known hash, and remember its hash.
================================  =====================================================================================
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import torch
from filelock import FileLock, Timeout

from mmderain.errors import InputError

from .files import atomic_write, safe_name


def cache_folder() -> Path:
    """Return the cache folder. It may not exist yet."""
    home = os.environ.get('MMDERAIN_HOME')
    return Path(home).expanduser() if home else Path(torch.hub.get_dir()) / 'mmderain'


def is_offline() -> bool:
    """Return whether ``MMDERAIN_OFFLINE`` forbids connections."""
    return os.environ.get('MMDERAIN_OFFLINE', '0') not in ('', '0')


def trusts_unhashed() -> bool:
    """Return whether ``MMDERAIN_TRUST_UNHASHED`` allows downloads without a known hash."""
    return os.environ.get('MMDERAIN_TRUST_UNHASHED', '0') not in ('', '0')


@contextmanager
def trusting_unhashed(trust: bool) -> Iterator[None]:
    """Set ``MMDERAIN_TRUST_UNHASHED`` for this block and for the processes that start in it.

    Args:
        trust: False changes nothing.
    """
    if not trust or trusts_unhashed():
        yield
        return
    before = os.environ.get('MMDERAIN_TRUST_UNHASHED', '0')  # '0' means the same as a missing variable
    os.environ['MMDERAIN_TRUST_UNHASHED'] = '1'
    try:
        yield
    finally:
        os.environ['MMDERAIN_TRUST_UNHASHED'] = before


#: Name of the record in the folder of a downloaded file.
RECORD = 'record.json'


def url_name(url: str) -> str:
    """Return the last part of the path of a URL."""
    return urlsplit(url).path.rpartition('/')[2]


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Convert an error of the file system to an InputError that names a path in the cache."""
    try:
        yield
    except OSError as error:
        reason = 'the disk is full' if error.errno == errno.ENOSPC else error.strerror
        raise InputError(
            f'{path}: cannot be written ({reason}). Free some space, or set MMDERAIN_HOME to a folder of your own'
        ) from error


@dataclass(frozen=True)
class CachedFile:
    """The place of a file from a URL in the cache.

    Each URL has its own folder, so that two files with the same name do not overwrite each other. The folder also
    contains a record, a JSON file with the URL and the SHA-256 of the file. The record remains if the file is deleted.

    Attributes:
        url: address of the file, without a fragment.
        path: path of the file in the cache. The file may not exist.
    """

    url: str
    path: Path

    @classmethod
    def of(cls, url: str) -> 'CachedFile':
        """Return the place of the file of a URL."""
        key = hashlib.sha256(url.encode()).hexdigest()[:12]
        name = safe_name(unquote(url_name(url)))
        if name.startswith('.') or name in ('', RECORD):
            name = f'file_{name}'
        return cls(url, cache_folder() / 'downloads' / key / name)

    @property
    def record(self) -> Path:
        """Return the path of the record."""
        return self.path.parent / RECORD

    def recorded_hash(self) -> str | None:
        """Return the SHA-256 that the file had when it was downloaded, or None if it was never downloaded.

        Raises:
            InputError: the record is damaged.
        """
        if not self.record.is_file():
            return None
        try:
            return str(json.loads(self.record.read_text(encoding='utf-8'))['sha256'])
        except (ValueError, KeyError, TypeError):
            raise InputError(f'{self.record}: cannot be read as a record of a download; delete this file') from None

    def write_record(self, sha256: str) -> None:
        """Write the record of a downloaded file."""
        with atomic_write(self.record) as part:
            part.write_text(json.dumps(dict(url=self.url, sha256=sha256)) + '\n', encoding='utf-8')


def _recorded_files() -> Iterator[CachedFile]:
    """Yield the place of each file that has a record. Damaged records are left out."""
    for record in sorted(cache_folder().glob(f'downloads/*/{RECORD}')):
        try:
            yield CachedFile.of(str(json.loads(record.read_text(encoding='utf-8'))['url']))
        except (ValueError, KeyError, TypeError):
            continue


def cached_files() -> Iterator[tuple[Path, str]]:
    """Yield the path of each complete file in the cache, and its URL or other origin."""
    for file in _recorded_files():
        if file.path.is_file():
            yield file.path, file.url
    for path in sorted(cache_folder().glob('converted/[!.]*.safetensors')):
        yield path, 'converted weights'


def reject_download(path: Path) -> str | None:
    """Delete a downloaded file whose content cannot be used, with its record.

    Args:
        path: a file. It is deleted only if it is a downloaded file in the cache.

    Returns:
        The URL of the downloaded file, or None if the file is not a download of the cache.
    """
    for file in _recorded_files():
        if file.path == path:
            with suppress(OSError):  # the cache may be read-only
                path.unlink(missing_ok=True)
                file.record.unlink(missing_ok=True)
            return file.url
    return None


def forget_downloads(pattern: str = '') -> list[Path]:
    """Delete downloaded files with their records, and return their paths. Converted weights remain.

    After that, a file without a published hash may have other content when it is downloaded again.

    Args:
        pattern: text in the names of the files to delete. '' deletes all downloads.
    """
    files = [file for file in _recorded_files() if pattern in file.path.name]
    for file in files:
        file.path.unlink(missing_ok=True)
        file.record.unlink(missing_ok=True)
    return [file.path for file in files]


def clear_cache(pattern: str = '') -> list[Path]:
    """Delete files from the cache, and return their paths.

    The records of the downloads remain. Therefore a file without a published hash must have the same content when it is
    downloaded again.

    Args:
        pattern: text in the names of the files to delete. '' deletes all files, and also the parts of interrupted
            downloads.
    """
    paths = [path for path, _ in cached_files() if pattern in path.name]
    for path in paths:
        path.unlink(missing_ok=True)
    if not pattern:
        for part in cache_folder().glob('downloads/*/.*.part'):
            try:
                with FileLock(part.parent / '.lock', timeout=0):
                    part.unlink(missing_ok=True)
            except Timeout:  # another process is downloading this file
                continue
    return paths
