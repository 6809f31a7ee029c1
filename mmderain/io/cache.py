"""The cache folder of downloaded files, and the environment variables that control downloads.

================================  =====================================================================================
``MMDERAIN_HOME``                 the cache folder. Default: ``mmderain`` in the folder of ``torch.hub``, which is
                                  ``~/.cache/torch/hub`` on most systems.
``MMDERAIN_OFFLINE=1``            use only files in the cache; never connect to a server.
``MMDERAIN_MIRROR=URL``           ask for ``URL/<file name>`` before the published address.
``MMDERAIN_TRUST_UNHASHED=1``     accept a download without a known hash, and remember its hash.
================================  =====================================================================================
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import torch

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


@dataclass(frozen=True)
class CachedFile:
    """The place of a file from a URL in the cache.

    Each URL has a folder of its own, so that two files with the same name do not meet. Beside the file is a record, a
    JSON file with the URL and the SHA-256 of the file. The record remains when the file is deleted.

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
        name = safe_name(unquote(urlsplit(url).path.rpartition('/')[2]) or 'index')
        return cls(url, cache_folder() / 'downloads' / key / name)

    @property
    def record(self) -> Path:
        """Return the path of the record."""
        return self.path.parent / 'record.json'

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


def cached_files() -> Iterator[tuple[Path, str]]:
    """Yield the path of each complete file in the cache, and its URL or other origin."""
    folder = cache_folder()
    for record in sorted(folder.glob('downloads/*/record.json')):
        try:
            url = json.loads(record.read_text(encoding='utf-8'))['url']
            path = CachedFile.of(url).path
        except (ValueError, KeyError, TypeError):
            continue
        if path.is_file():
            yield path, url
    for path in sorted(folder.glob('converted/*.safetensors')):
        yield path, 'converted weights'


def clear_cache(pattern: str = '') -> list[Path]:
    """Delete files from the cache, and return their paths.

    The records of the downloads remain. If a file without a published hash is downloaded again, it must therefore have
    the same content as before.

    Args:
        pattern: only files are deleted whose name contains this text. '' deletes all files, and also the parts of
            downloads that were interrupted.
    """
    paths = [path for path, _ in cached_files() if pattern in path.name]
    for path in paths:
        path.unlink(missing_ok=True)
    if not pattern:
        for part in cache_folder().glob('downloads/*/.*.part*'):
            part.unlink(missing_ok=True)
    return paths
