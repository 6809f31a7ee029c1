"""Write and read the log of a call: a JSONL file with one line for each input.

A line has the following keys:

* ``status``: ``'ok'``, ``'skipped'`` (the result file existed before), ``'failed'``, or ``'partial'`` (this process has
  derained its segments of a video, and another process will write the result file);
* ``output``: path or URL of the result file; null if there is none;
* ``input``: name of the input;
* ``size``: height and width in pixels; null if the image was not read;
* ``seconds``: time for reading, for the network and for writing, see :class:`~mmderain.apis.InputResult`;
* ``error``: the error message; null if there is no error.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # the part of the JSON decoder that reads a string
from pathlib import Path
from types import TracebackType
from typing import Any

from mmderain.errors import InputError
from mmderain.io.remote import RemotePath

from .results import InputResult

#: Beginning of a line whose result file is complete. :func:`entry` writes the keys in this order.
_OK, _SKIPPED = '{"status": "ok", "output": "', '{"status": "skipped", "output": "'
#: Beginning of every line.
_START = b'{"status": "'


class RunLog:
    """A log to which the results of a call are appended. Each line is written to the file immediately.

    Args:
        path: path of the log. If it exists, the new lines are appended.

    Raises:
        InputError: the file exists, is not empty, and is not a log.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            _require_log(path)
        # A process that was killed can leave an incomplete last line. The new lines start after it.
        is_torn = path.exists() and not _ends_with_newline(path)
        self._file = open(path, 'a', encoding='ascii', buffering=1)
        if is_torn:
            self._file.write('\n')

    def __enter__(self) -> 'RunLog':
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def write(self, result: InputResult) -> None:
        """Append the line of a result."""
        self._file.write(json.dumps(entry(result)) + '\n')


def logged(results: Iterable[InputResult], path: str | Path) -> Iterator[InputResult]:
    """Yield the results, and append a line to a log before each one."""
    with RunLog(path) as log:
        for result in results:
            log.write(result)
            yield result


def entry(result: InputResult) -> dict[str, Any]:
    """Return the values of the line of a result."""
    return dict(
        status='skipped' if result.skipped else result.status,
        output=str(result.prediction) if isinstance(result.prediction, Path | RemotePath) else None,
        input=result.name,
        size=result.size,
        seconds=round(result.seconds, 4),
        error=result.reason or None,
    )


def read_log(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log as dicts. Damaged lines, for example after a power failure, are left out.

    Raises:
        FileNotFoundError: the log does not exist.
        InputError: the file is not empty, but contains no line of a log.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such log')
    found_line, is_empty = False, True
    with open(path, encoding='utf-8', errors='replace') as file:
        for line in file:
            is_empty = False
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict) and isinstance(found.get('input'), str):
                found_line = True
                yield found
    if not found_line and not is_empty:
        raise InputError(f'{path}: is not a log of `mmderain derain`; found no line with an input; name another file')


def finished_outputs(path: str | Path) -> set[str]:
    """Return the paths of the result files that are complete according to a log.

    The function reads only the path in most lines, which is several times as fast for a million lines. Damaged lines
    are left out.

    Args:
        path: path of the log. The result is empty if it does not exist.
    """
    finished: set[str] = set()
    if not Path(path).exists():
        return finished
    with open(path, encoding='utf-8', errors='replace') as file:
        for line in file:
            start = len(_OK) if line.startswith(_OK) else len(_SKIPPED) if line.startswith(_SKIPPED) else 0
            if start and line.endswith('}\n'):
                with contextlib.suppress(ValueError):  # the line is damaged
                    finished.add(scanstring(line, start)[0])
    return finished


def _require_log(path: Path) -> None:
    """Raise an InputError if a file is not a log.

    A log that contains only the beginning of a line is accepted. A killed process can leave such a log.
    """
    with open(path, 'rb') as file:
        beginning = file.read(len(_START))
    if not _START.startswith(beginning):
        next(read_log(path), None)  # raises the error if no line is one of a log


def _ends_with_newline(path: Path) -> bool:
    with open(path, 'rb') as file:
        file.seek(0, 2)
        if file.tell() == 0:
            return True
        file.seek(-1, 2)
        return file.read() == b'\n'
