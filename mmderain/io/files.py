"""Write files and folders completely or not at all, hash them, and make names that every file system takes."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmderain.errors import InputError


@contextmanager
def atomic_write(path: str | Path, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to the final path when the block ends without an error.

    The temporary file lies in the same folder, so that the rename is atomic. After an error it is removed, and a file
    that was under the final path before stays as it was. A killed process leaves at most the temporary file,
    ``.<stem>.part<suffix>``, which the next write replaces. For a long name, the stem is replaced by its hash.

    Args:
        path: the final path; its folder is created if it is missing.
        durable: wait until the file is on the disk, so that a power failure cannot leave an empty file under the final
            name. False is faster, for files that are easily made again.

    Yields:
        The temporary path. It has the suffix of the final path, from which encoders choose the format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # File systems accept names of up to 255 bytes; the temporary name is longer than the final one.
    is_long = len(os.fsencode(path.name)) > 240
    stem = hashlib.sha256(os.fsencode(path.stem)).hexdigest() if is_long else path.stem
    part = path.with_name(f'.{stem}.part{path.suffix}')
    try:
        yield part
        if durable:
            with open(part, 'rb+') as file:
                os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder to fill; rename it to the final path when the block ends without an error.

    A folder under the final path is then replaced as a whole. After an error the temporary folder is removed, and the
    final path stays as it was. A killed process leaves at most the temporary folder, ``.<name>.mmderain-part``, or
    between two renames the replaced folder, ``.<name>.mmderain-old``; the next write removes them.

    Args:
        path: the final path; its parent is created if it is missing.

    Yields:
        The temporary folder, which is empty.
    """
    path = Path(path)
    part, old = (path.with_name(f'.{path.name}.mmderain-{state}') for state in ('part', 'old'))
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
        try:
            part.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def link_or_copy(source: str | Path, target: str | Path, copy: bool = False) -> None:
    """Link a file under another path, or copy it; the folder of the target is created if it is missing.

    Args:
        source: an existing file.
        target: the new path, at which no file exists.
        copy: copy the file; otherwise it is copied only if the file system has no links.
    """
    source, target = Path(source), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        try:
            target.symlink_to(source.resolve())
            return
        except OSError:  # a file system without links
            pass
    shutil.copy2(source, target)


def read_text(path: str | Path) -> str:
    """Read a text file in UTF-8.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is not text in UTF-8.
    """
    try:
        return Path(path).read_text(encoding='utf-8')
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path}: is not text in UTF-8 ({error.reason} at byte {error.start}); write it again'
        ) from None


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def safe_name(text: str, replacement: str = '_') -> str:
    """Return a file name for a text: characters other than letters, digits and ``_ . + - ( )`` are replaced."""
    return re.sub(r'[^\w.+()-]', replacement, text)
