"""Read text files and lists in several encodings, and write tables."""

import codecs
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmderain.errors import InputError


def read_text(path: str | Path) -> str:
    """Read a text file in UTF-8, or in UTF-16 with a byte order mark. The mark is removed.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file has another encoding, or is not a text file.
    """
    content = Path(path).read_bytes()
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell writes it
    try:
        text = content.decode('utf-16' if is_utf_16 else 'utf-8-sig').replace('\r\n', '\n')
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path}: is not text in UTF-8 ({error.reason} at byte {error.start}); save it again as UTF-8'
        ) from None
    if '\0' in text:  # UTF-16 without a mark, UTF-32, or no text at all
        raise InputError(f'{path}: is not text in UTF-8 (it contains null bytes); save it again as UTF-8')
    return text


def read_lines(path: str | Path) -> list[str]:
    """Read a text file with one entry in each line, such as a list of images.

    Empty lines, and white space at both ends of a line, are removed. Lines end with a line feed, a carriage return, or
    both. The encodings are those of :func:`read_text`.

    Raises:
        FileNotFoundError, InputError: see :func:`read_text`.
    """
    # str.splitlines() would also split at other characters, which file names can contain.
    lines = read_text(path).replace('\r', '\n').split('\n')
    return [line.strip() for line in lines if line.strip()]


def write_csv(path: str | Path, head: Sequence[str], rows: Iterable[Sequence]) -> None:
    r"""Write a table in UTF-8.

    File names of Linux can contain bytes that are not valid UTF-8. Such a byte is written as an escape sequence, for
    example ``\udcff`` for the byte 255.

    Args:
        path: the file to write.
        head: names of the columns.
        rows: the other rows.
    """
    with open(path, 'w', newline='', encoding='utf-8', errors='backslashreplace') as file:
        csv.writer(file).writerows([head, *rows])
