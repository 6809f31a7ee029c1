"""Write files and folders completely or not at all, hash files, and make safe file names."""

import contextlib
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
    """Write a file completely or not at all.

    The ``with`` block writes to a temporary path. If the block ends without an error, the temporary file is renamed to
    the final path. The temporary file is in the same folder as the final file, so that the rename is atomic.

    If the block raises an error, the temporary file is removed, and a file that already exists at the final path is not
    changed. If the process is killed, the temporary file can remain. The next write to the same final path then
    replaces the temporary file.

    :func:`hidden_name` gives the name of the temporary file, ``.<stem>.part<suffix>``.

    Args:
        path: the final path. The folder is created if it does not exist.
        durable: True waits until the content is on the disk, so that a power failure cannot leave an empty file at the
            final path. False is faster and is meant for files that can easily be created again. Default: True.

    Yields:
        The temporary path. It has the suffix of the final path, because encoders choose the format by the suffix.

    Raises:
        InputError: the path contains a null byte.
    """
    path = Path(path)
    if '\0' in str(path):  # libraries written in C would write to the part of the path before it
        raise InputError(f'{path}: cannot be written (embedded null byte)')
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(hidden_name(path.stem, f'.part{path.suffix}'))
    try:
        yield part
        if durable:
            with open(part, 'rb+') as file:
                os.fsync(file.fileno())
        try:
            os.replace(part, path)
        except OSError as error:
            if error.filename:  # the message names the temporary file
                raise OSError(error.errno, error.strerror, str(path)) from None
            raise
    except BaseException:
        with contextlib.suppress(OSError):  # the error of the block is the one to report
            part.unlink(missing_ok=True)
        raise


def hidden_name(stem: str, ending: str) -> str:
    """Return ``.<stem><ending>``. If this name has more than 143 bytes, a hash replaces the stem.

    Most file systems accept names of up to 255 bytes, but encrypted folders of eCryptfs accept only 143 bytes.
    """
    name = f'.{stem}{ending}'
    if len(os.fsencode(name)) <= 143:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f'.{digest}{ending if len(os.fsencode(ending)) <= 40 else ".part"}'


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Write a folder completely or not at all.

    The ``with`` block writes files to a temporary folder, ``.<name>.mmderain-part``. If the block ends without an
    error, the temporary folder is renamed to the final path. If a folder already exists at the final path, it is
    replaced in three steps:

    1. The existing folder is renamed to ``.<name>.mmderain-old``.
    2. The temporary folder is renamed to the final path.
    3. ``.<name>.mmderain-old`` is deleted.

    If the block raises an error, the temporary folder is removed, and the folder at the final path is not changed. If
    the process is killed, ``.<name>.mmderain-part`` and ``.<name>.mmderain-old`` can remain. The next complete write to
    the same final path removes them. If the process is killed between steps 1 and 2, no folder exists at the final path
    until the next complete write.

    Args:
        path: the final path. The parent folder is created if it does not exist.

    Yields:
        The temporary folder, which is empty.
    """
    path = Path(path)
    part, old = (path.with_name(hidden_name(path.name, f'.mmderain-{state}')) for state in ('part', 'old'))
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


def require_new_folder(path: Path) -> None:
    """Check that nothing exists at a path except an empty folder.

    Args:
        path: path of the folder to write.

    Raises:
        InputError: a file or a folder that is not empty exists at this path.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f'{path}: already exists; name another folder, or remove it')


def resolve(path: str | Path) -> Path:
    """Return the absolute path with all links resolved. If links form a loop, they are not resolved."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError):
        return Path(path).absolute()


def require_path(name: str, path: str | Path) -> Path:
    """Return a path, after checking that it is not an empty text, which would mean the current folder.

    Args:
        name: name of the argument, for the error message.
        path: the path.
    """
    if path == '':
        raise InputError(f'{name}: the path is empty; use . for the current folder')
    return Path(path)


def link_or_copy(source: str | Path, target: str | Path, copy: bool = False) -> None:
    """Create a symbolic link to a file, or copy the file.

    Args:
        source: an existing file.
        target: path of the link or copy. No file may exist at this path. The folder is created if it does not exist.
        copy: True copies the file. False creates a link, and copies the file only if the file system does not support
            links. Default: False.
    """
    source, target = Path(source), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        try:
            target.symlink_to(source.resolve())
            return
        except OSError:  # the file system does not support links
            pass
    shutil.copy2(source, target)


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def safe_name(text: str, replacement: str = '_') -> str:
    """Convert a text to a file name. All characters except letters, digits and ``_ . + - ( )`` are replaced."""
    return re.sub(r'[^\w.+()-]', replacement, text)


def short_name(text: str, max_bytes: int) -> str:
    """Shorten a part of a file name, so that the whole name does not get too long for the file system.

    Args:
        text: the text.
        max_bytes: largest number of bytes of the result, at least 9.

    Returns:
        The text if it is short enough. Otherwise its beginning, ``~``, and eight digits of its hash. Therefore
        different texts have different results.
    """
    if len(os.fsencode(text)) <= max_bytes:
        return text
    digest = hashlib.sha256(os.fsencode(text)).hexdigest()[:8]
    while len(os.fsencode(text)) > max_bytes - 9:
        text = text[:-1]
    return f'{text}~{digest}'
