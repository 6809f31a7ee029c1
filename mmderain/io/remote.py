"""Read and write files in object stores and on web servers by their URLs.

The library fsspec and its plug-ins connect to the servers. They take their settings, such as credentials and the
address of a server, from their usual places: the environment variables and the config files of AWS or Google Cloud, and
``~/.config/fsspec``. Therefore mmderain has no options for them.

Local paths do not use this module.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeGuard
from urllib.parse import urlsplit

from mmderain.errors import InputError, did_you_mean

#: Protocols of URLs that are accepted. fsspec knows more, but some of them run commands or read local files.
PROTOCOLS = ('s3', 'gs', 'http', 'https', 'memory')
READ_ONLY = ('http', 'https')
#: Number of attempts to read from a web server. The plug-ins for object stores repeat lost requests themselves.
HTTP_ATTEMPTS = 3
#: Options for reading whole files. With several parallel requests, s3fs asks for the size of each file first. This
#: doubles the number of requests.
_READ_OPTIONS: dict[str, dict[str, Any]] = {'s3': {'max_concurrency': 1}}


def is_remote(text: object) -> TypeGuard[str]:
    """Return whether an input is a URL, such as ``s3://bucket/photos``, and not a local path."""
    return isinstance(text, str) and re.match(r'[A-Za-z][A-Za-z0-9+.-]*://', text) is not None


@dataclass(frozen=True)
class RemotePath:
    """A file or folder on a server. :meth:`parse` makes it from a URL.

    Attributes:
        url: the URL, without ``/`` at its end.
        filesystem: the connection of fsspec. Threads can share it.
    """

    url: str
    filesystem: Any = field(repr=False, compare=False)

    @classmethod
    def parse(cls, url: str) -> 'RemotePath':
        """Return the path of a URL. No connection is made yet.

        Raises:
            InputError: the protocol is not one of :data:`PROTOCOLS`, or a library for it is missing.
        """
        protocol = url.partition('://')[0]
        if protocol not in PROTOCOLS:
            known = ', '.join(f'{name}://' for name in PROTOCOLS)
            raise InputError(
                f'{url}: found a URL with {protocol}://; expected a local path, or one of {known}'
                f'{did_you_mean(protocol, PROTOCOLS)}'
            )
        try:
            import fsspec

            # Without a cache of listings, a file that another process wrote is found, and the memory stays small.
            filesystem = fsspec.filesystem(protocol, use_listings_cache=False)
        except ImportError as error:
            package = 'gcsfs' if protocol == 'gs' else '"mmderain[remote]"'
            raise InputError(f'{url}: a library is missing ({error}); run `pip install {package}`') from None
        return cls(url.rstrip('/'), filesystem)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> 'RemotePath':
        return RemotePath(f'{self.url}/{name}', self.filesystem)

    def with_name(self, name: str) -> 'RemotePath':
        """Return the path of another file in the same folder."""
        return RemotePath(f'{self.url.rpartition("/")[0]}/{name}', self.filesystem)

    @property
    def protocol(self) -> str:
        """Return the protocol, such as ``'s3'``."""
        return self.url.partition('://')[0]

    @property
    def name(self) -> str:
        """Return the last part of the path. The query of a web address, ``?...``, is not a part of it."""
        path = urlsplit(self.url).path if self.protocol in READ_ONLY else self.url
        return PurePosixPath(path).name

    @property
    def is_read_only(self) -> bool:
        """Return whether files can be read but not written."""
        return self.protocol in READ_ONLY

    def exists(self) -> bool:
        """Return whether a file exists at this path.

        Raises:
            InputError: the server cannot be asked.
        """
        # isfile() of fsspec returns False after any error. Then existing results would be replaced.
        with _errors(self.url, 'cannot be looked up'):
            try:
                return self.filesystem.info(self.url)['type'] == 'file'
            except FileNotFoundError:
                return False

    def read_bytes(self) -> bytes:
        """Return the content of the file. If the connection is lost, the file is read again.

        Raises:
            InputError: the file does not exist or cannot be read.
        """
        options = _READ_OPTIONS.get(self.protocol, {})
        with _errors(self.url, 'cannot be read'):
            if self.protocol in READ_ONLY:
                return _with_attempts(lambda: self.filesystem.cat_file(self.url, **options))
            return self.filesystem.cat_file(self.url, **options)

    def write_bytes(self, content: bytes) -> None:
        """Write the file. Other processes see it completely or not at all.

        No temporary name is necessary, in contrast to local files. An object store makes an object visible when a PUT
        request or the last request of a multipart upload has succeeded. ``memory://`` stores the object at once.

        Raises:
            InputError: the file cannot be written.
        """
        self.require_writable()
        with _errors(self.url, 'cannot be written'):
            self.filesystem.pipe_file(self.url, content)

    def upload(self, path: Path) -> None:
        """Write the content of a local file, completely or not at all, see :meth:`write_bytes`.

        Raises:
            InputError: the file cannot be written.
        """
        self.require_writable()
        with _errors(self.url, 'cannot be written'):
            self.filesystem.put_file(str(path), self.url)

    def require_writable(self) -> None:
        """Raise an InputError if files of this protocol cannot be written."""
        if self.is_read_only:
            raise InputError(f'{self.url}: web servers are read only; expected a local folder, s3:// or gs://')

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file for reading in binary mode, with ``seek``. Parts of it are read when they are needed.

        Raises:
            InputError: the file does not exist or cannot be read, or the web server cannot send parts of it.
        """
        with _errors(self.url, 'cannot be read'):
            file = self.filesystem.open(self.url, 'rb')
        with file:
            if not file.seekable():
                raise InputError(f'{self.url}: this server cannot send parts of a file; download the file first')
            yield file

    def walk(self, is_wanted: Callable[[str], bool]) -> Iterator[str]:
        """Yield the names of the files in this folder and its sub-folders, relative to it and sorted.

        Only the names in one folder and in the folders above it are in memory at the same time.

        Args:
            is_wanted: function that takes the last part of a name, and returns whether the file is yielded.

        Raises:
            InputError: the folder cannot be listed, or does not exist.
        """
        if self.is_read_only:
            raise InputError(f'{self.url}: the files on a web server cannot be listed; name each image')
        return self._walk('', is_wanted)

    def _walk(self, prefix: str, is_wanted: Callable[[str], bool]) -> Iterator[str]:
        folder = self / prefix.rstrip('/') if prefix else self
        with _errors(folder.url, 'cannot be listed', missing='no such folder'):
            entries = self.filesystem.ls(folder.url, detail=True)
        names = sorted(
            (entry['name'].rstrip('/').rpartition('/')[2], entry['type'] == 'directory') for entry in entries
        )
        for name, is_folder in names:
            if is_folder:
                yield from self._walk(f'{prefix}{name}/', is_wanted)
            elif is_wanted(name):
                yield prefix + name


def parse_place(text: str | Path) -> Path | RemotePath:
    """Return the path of a local file or folder, or of one on a server.

    Raises:
        InputError: as in :meth:`RemotePath.parse`.
    """
    return RemotePath.parse(text) if is_remote(text) else Path(text)


def is_safe_name(name: str) -> bool:
    """Return whether a relative name from a server can be a path under a local folder.

    The key of an object can be any text, for example ``photos/../../other.png``.
    """
    return not any(part in ('', '.', '..') or '\\' in part or '\0' in part for part in name.split('/'))


def _with_attempts(read: Callable[[], bytes]) -> bytes:
    """Call a function, at most ``HTTP_ATTEMPTS`` times, until it does not lose the connection to a web server."""
    import aiohttp

    for _ in range(HTTP_ATTEMPTS - 1):
        try:
            return read()
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, TimeoutError):
            continue
    return read()


@contextmanager
def _errors(url: str, problem: str, missing: str = 'no such file') -> Iterator[None]:
    """Convert any exception to an InputError of one line that begins with the URL.

    Raises:
        InputError: the ``with`` block raised an exception.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        cause = error.__cause__
        if url.startswith('http') and cause is not None and not isinstance(cause, FileNotFoundError):
            # When fsspec opens a file of a web server, it raises this error for any answer, such as 403.
            raise InputError(f'{url}: {problem} ({type(cause).__name__}: {_first_line(cause)})') from error
        raise InputError(f'{url}: {missing}') from None
    except PermissionError as error:
        raise InputError(f'{url}: {problem}, access denied ({_first_line(error)}); check the credentials') from error
    except Exception as error:  # the plug-ins raise exceptions of the libraries that they use
        raise InputError(f'{url}: {problem} ({type(error).__name__}: {_first_line(error)})') from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition('\n')[0]
