"""Read and write WebDataset shards: tar archives whose members are the files of samples.

The module tarfile of the standard library reads the shards. The library webdataset is not used, because it loses the
order and the names of the members. A derained shard keeps them.

No member is extracted: its name is only copied to the new archive, and is never used as a path on the disk.
"""

import io
import math
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mmderain.errors import InputError

from .files import atomic_write
from .image_formats import IMAGE_SUFFIXES
from .remote import RemotePath

#: Largest size of a member. A member is in memory as a whole, and its header can name any size.
MAX_MEMBER_BYTES = 2**30
#: Largest number of shards in a pattern.
MAX_SHARDS = 1_000_000


@dataclass
class Member:
    """One file in a shard.

    Attributes:
        name: name of the member; '' for a problem of the shard itself.
        content: content of the member.
        modified: time of the last change in seconds since 1970.
        problem: the reason why the content cannot be used. None if there is no problem.
    """

    name: str
    content: bytes = b''
    modified: float = 0
    problem: InputError | None = None

    @property
    def suffix(self) -> str:
        """Return the type of the member in WebDataset: all that follows the first dot of the file name, with this dot.

        For example, the type of ``000001.jpg`` is ``.jpg``, and the type of ``000001.seg.png`` is ``.seg.png``.
        """
        _, dot, suffix = PurePosixPath(self.name).name.partition('.')
        return dot + suffix.lower()

    @property
    def is_image(self) -> bool:
        """Return whether the member is an image to derain.

        Only types without a further dot are. A type such as ``.seg.png`` or ``.depth.png`` is often a label, which must
        not be changed.
        """
        return self.suffix in IMAGE_SUFFIXES


def is_shard(text: str) -> bool:
    """Return whether the path or URL of an input names one or several shards."""
    return text.lower().endswith('.tar')


def expand_shards(pattern: str) -> list[str]:
    """Return the paths or URLs of the shards in a pattern.

    Args:
        pattern: path or URL, with ranges and lists in braces as in the shell: ``shards/{000..099}.tar``.

    Raises:
        InputError: the library braceexpand is missing, the braces are not closed, or there are more than
            :data:`MAX_SHARDS` shards.
    """
    if '{' not in pattern or ('://' not in pattern and Path(pattern).exists()):
        return [pattern]
    try:
        from braceexpand import braceexpand
    except ImportError:
        raise InputError(
            f'{pattern}: a pattern with braces needs the library braceexpand; run `pip install "mmderain[remote]"`'
        ) from None
    # braceexpand makes a list of each range, however long it is.
    ranges = re.findall(r'\{(\d+)\.\.(\d+)', pattern)
    if math.prod(abs(int(last) - int(first)) + 1 for first, last in ranges) > MAX_SHARDS:
        raise InputError(f'{pattern}: names more than {MAX_SHARDS} shards; use several patterns')
    try:
        return list(braceexpand(pattern))
    except ValueError:
        raise InputError(f'{pattern}: a brace is not closed; expected a pattern such as {{000..099}}.tar') from None


def read_members(file: BinaryIO, name: str, with_content: bool = True) -> Iterator[Member]:
    """Yield the files in a shard, in their order.

    Folders, links and devices are left out. If the shard is damaged or cut off, the members before this place are
    yielded, and then a member with an empty name and the problem.

    Args:
        file: the shard, open for reading in binary mode. It must support ``seek``.
        name: name of the shard in error messages.
        with_content: False leaves the content of the members empty, and does not read it.

    Raises:
        InputError: the disk or the system reports that the file cannot be read further.
        Exception: the connection to the server of the file is lost.
    """
    last = ''
    try:
        with tarfile.open(fileobj=file, mode='r:') as archive:
            for info in archive:
                # A sparse file of a few bytes can stand for any number of zeros.
                if info.isreg() and not info.issparse():
                    yield _read_member(archive, info, name) if with_content else Member(info.name)
                last = info.name
        # An archive ends with blocks of zeros. tarfile does not report it if the file ends before them, or if another
        # header follows that cannot be read.
        file.seek(archive.offset)
        if file.read(512) == bytes(512):
            return
        reason = 'the end of the archive is missing, or the header of the next member is damaged'
    except OSError as error:
        raise InputError(f'{name}: cannot be read further ({_reason(error)})') from error
    except tarfile.TarError as error:
        reason = str(error) or type(error).__name__
    place = f'after the member {last!r}' if last else 'at its beginning'
    yield Member('', problem=InputError(f'{name}: is cut off or damaged {place} ({reason}). Replace this shard'))


def _read_member(archive: tarfile.TarFile, info: tarfile.TarInfo, name: str) -> Member:
    if info.size > MAX_MEMBER_BYTES:
        text = f'{name}/{info.name}: has {info.size} bytes; expected at most {MAX_MEMBER_BYTES}. Remove this member'
        return Member(info.name, problem=InputError(text))
    content = archive.extractfile(info)
    assert content is not None
    return Member(info.name, content.read(), info.mtime)


class ShardWriter:
    """Append members to a tar archive.

    Args:
        file: the archive, open for writing in binary mode.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._archive = tarfile.open(fileobj=file, mode='w', format=tarfile.PAX_FORMAT)

    def add(self, member: Member) -> None:
        """Append a member. Its owner and its permissions are set to fixed values."""
        info = tarfile.TarInfo(member.name)
        info.size, info.mtime = len(member.content), int(member.modified)
        self._archive.addfile(info, io.BytesIO(member.content))

    def close(self) -> None:
        """Write the end of the archive."""
        self._archive.close()


@contextmanager
def open_shard(shard: str | Path | RemotePath) -> Iterator[BinaryIO]:
    """Open a shard for :func:`read_members`.

    Raises:
        InputError: the file does not exist or cannot be read.
    """
    if isinstance(shard, RemotePath):
        with shard.open() as remote_file:
            yield remote_file
        return
    try:
        file = open(shard, 'rb')
    except OSError as error:
        raise InputError(f'{shard}: cannot be read ({error.strerror})') from None
    with file:
        yield file


@contextmanager
def write_shard(path: str | Path | RemotePath) -> Iterator[ShardWriter]:
    """Write a shard, completely or not at all.

    A shard on a server is first written to a temporary file on this machine, and then uploaded.

    Yields:
        A writer, to which the ``with`` block adds the members in their order.

    Raises:
        InputError: the file cannot be written.
    """
    if isinstance(path, RemotePath):
        path.require_writable()
        try:
            with tempfile.TemporaryDirectory(prefix='mmderain_') as folder:
                part = Path(folder) / 'shard.tar'
                with _open_writer(part) as writer:
                    yield writer
                path.upload(part)
        except OSError as error:
            text = f'its temporary copy on this machine cannot be written ({_reason(error)}); make room on the disk'
            raise InputError(f'{path}: {text}, or set TMPDIR to another folder') from None
        return
    try:
        with atomic_write(path) as part, _open_writer(part) as writer:
            yield writer
    except OSError as error:
        raise InputError(f'{path}: cannot be written ({_reason(error)})') from None


@contextmanager
def _open_writer(path: Path) -> Iterator[ShardWriter]:
    with open(path, 'wb') as file:
        writer = ShardWriter(file)
        yield writer
        writer.close()


def _reason(error: OSError) -> str:
    """Return the reason of an error without the name of the file, which can be a temporary file."""
    return error.strerror or str(error) or type(error).__name__
