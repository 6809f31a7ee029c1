"""Receive one file from an HTTP server: with a progress bar, several tries, and a check of its hash."""

import http.client
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from mmderain.version import __version__

from .files import file_sha256

#: Number of times that a download is tried from each server. A later try continues an incomplete file.
TRIES = 3
#: Number of seconds before the next try.
PAUSE = 0.5
#: Number of bytes that are read at a time.
BLOCK = 1 << 18


class DownloadError(Exception):
    """A server did not send the expected file. The message gives the reason."""


class IncompleteError(DownloadError):
    """The server did not send the whole file. Another try can succeed."""


class RangeError(IncompleteError):
    """The server refused to continue an incomplete file."""


def receive_file(url: str, part: Path, expected: str, timeout: float) -> str:
    """Download a file from a server in up to :data:`TRIES` tries.

    Args:
        url: address of the file.
        part: path to write to. If it exists, the download continues at its end.
        expected: expected SHA-256, its first digits, or '' if it is not known.
        timeout: number of seconds without an answer after which a try ends.

    Returns:
        The SHA-256 of the file.

    Raises:
        DownloadError: the server did not send the file.
        OSError: the file cannot be written.
    """
    tries = TRIES
    while True:
        tries -= 1
        if not expected:  # without a hash, the rest of another file would not be noticed
            part.unlink(missing_ok=True)
        resumed = part.is_file() and part.stat().st_size > 0
        try:
            _receive(url, part, timeout)
        except IncompleteError:
            if not tries:
                raise
            time.sleep(PAUSE)
            continue
        found = file_sha256(part)
        if found.startswith(expected):
            return found
        part.unlink()
        if not resumed or not tries:
            raise DownloadError(f'expected SHA-256 {expected}, found {found}')


def _receive(url: str, part: Path, timeout: float) -> None:
    """Append what a server sends to a file, or replace the file if the server does not continue it.

    Raises:
        DownloadError: the server sent something else than the file.
        IncompleteError: the server did not send the whole file; another try can succeed.
        OSError: the file cannot be written.
    """
    start = part.stat().st_size if part.is_file() else 0
    headers = {'User-Agent': f'mmderain/{__version__}', **({'Range': f'bytes={start}-'} if start else {})}
    url = urllib.parse.quote(url, safe="%/:=&?~+!$,;'@()*[]")  # letters such as é are not allowed in a URL
    try:
        with _clear_errors(timeout):
            # urlopen() would keep the proxies of the first call.
            opener = urllib.request.build_opener()
            response = opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except RangeError:
        part.unlink()
        raise
    with response:
        if response.headers.get_content_type() == 'text/html':
            raise DownloadError('found a web page (text/html); expected a file of weights')
        start = start if response.status == HTTPStatus.PARTIAL_CONTENT else 0
        length = response.headers.get('Content-Length')
        total = start + int(length) if length else None
        with open(part, 'ab' if start else 'wb') as file, _progress_bar() as bar:
            if bar.disable:
                print(f'downloading {url}', file=sys.stderr)
            task = bar.add_task(part.name.removeprefix('.').removesuffix('.part'), completed=start, total=total)
            while block := _read(response, timeout):
                file.write(block)
                bar.update(task, advance=len(block))
            size = file.tell()
    if total is not None and size < total:
        raise IncompleteError(f'the connection ended after {size:,} of {total:,} bytes')


def _read(response: http.client.HTTPResponse, timeout: float) -> bytes:
    """Read the next bytes of an answer, with the errors of :func:`_clear_errors`."""
    with _clear_errors(timeout):
        return response.read(BLOCK)


@contextmanager
def _clear_errors(timeout: float) -> Iterator[None]:
    """Convert the errors of a connection to a DownloadError."""
    try:
        yield
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise RangeError('the server cannot continue the incomplete file') from None
        busy = error.code >= 500 or error.code == HTTPStatus.TOO_MANY_REQUESTS
        kind = IncompleteError if busy else DownloadError
        raise kind(f'the server answered {error.code} {error.reason}') from None
    except (OSError, http.client.HTTPException) as error:  # a URLError is an OSError
        reason = getattr(error, 'reason', error)
        if isinstance(reason, TimeoutError):
            raise IncompleteError(f'no answer for {timeout:g} seconds') from None
        raise IncompleteError(f'the connection failed ({reason})') from None


def _progress_bar() -> Progress:
    """Return a progress bar on standard error. It is disabled if standard error is not a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn('{task.description}'), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)
