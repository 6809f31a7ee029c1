"""Find the image files in folders, and describe the files that are passed over."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .image_formats import FORMATS, readable_suffixes

#: Folders that programs create next to images, with thumbnails or metadata. Hidden folders are passed over too.
_PROGRAM_FOLDERS = ('__MACOSX', '@eaDir', '$RECYCLE.BIN', 'System Volume Information')
#: Keys of the counter of :func:`iter_images` for folders that cannot be searched.
_LOOP, _CLOSED = 'linked folders that form a loop', 'folders that cannot be opened'
_RAW_SUFFIXES = ('.arw', '.cr2', '.cr3', '.dng', '.nef', '.orf', '.raf', '.rw2')


def iter_names(
    folder: str | Path,
    suffixes: Iterable[str],
    skipped: Counter[str] | None = None,
    leave_out: Path | None = None,
) -> Iterator[str]:
    """Find the files with certain suffixes in a folder and its sub-folders, one after another.

    These are passed over:

    * hidden files and folders, whose names begin with a dot, such as ``.ipynb_checkpoints`` and ``._1.jpg``;
    * folders that other programs create, such as ``__MACOSX`` and ``@eaDir``;
    * files with other suffixes.

    Linked folders are searched like other folders, except for a link to a folder that contains the link. A link to a
    missing file is found, so that the error message of the reader names it. Only the names in one folder and in the
    folders above it are in memory at the same time.

    Args:
        folder: folder to search.
        suffixes: suffixes of the files to find, in lower case.
        skipped: counts the skipped files for each suffix; or None. Hidden files are not counted.
            :func:`skipped_by_suffix` describes it.
        leave_out: absolute path, without links, of a folder that is not searched. It need not exist.

    Yields:
        Names relative to the folder, with ``/`` between their parts. In each folder, the names are sorted. The name of
        a sub-folder that cannot be opened ends with ``/``.

    Raises:
        OSError: the folder does not exist or cannot be opened.
    """
    counter: Counter[str] = Counter() if skipped is None else skipped
    yield from _search(
        os.fspath(folder), '', frozenset(suffixes), counter, None if leave_out is None else str(leave_out), ()
    )


def iter_images(
    folder: str | Path, suffixes: Iterable[str] | None = None, skipped: Counter[str] | None = None
) -> Iterator[Path]:
    """Find the image files in a folder and its sub-folders, one after another, as :func:`iter_names` finds them.

    Args:
        folder: folder to search.
        suffixes: suffixes of the files to find, in lower case. None finds all image files that can be read.
        skipped: as in :func:`iter_names`. Sub-folders that cannot be opened are counted too.

    Yields:
        Paths relative to the folder. In each folder, the names are sorted.

    Raises:
        OSError: the folder does not exist or cannot be opened.
    """
    counter: Counter[str] = Counter() if skipped is None else skipped
    for name in iter_names(folder, readable_suffixes() if suffixes is None else suffixes, counter):
        if name.endswith('/'):
            counter[_CLOSED] += 1
        else:
            yield Path(name)


def _search(
    folder: str,
    prefix: str,
    wanted: frozenset[str],
    skipped: Counter[str],
    leave_out: str | None,
    parents: tuple[tuple[int, int], ...],
) -> Iterator[str]:
    """Yield the names in one folder and its sub-folders.

    Args:
        folder: the folder.
        prefix: its name relative to the folder of the whole search, with a ``/`` at the end.
        wanted: as ``suffixes`` of :func:`iter_names`.
        skipped: as in :func:`iter_names`.
        leave_out: as in :func:`iter_names`.
        parents: device and number of the folders that contain this folder, to detect loops of links.
    """
    try:
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in parents:
            skipped[_LOOP] += 1
            return
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        if not parents:
            raise
        yield prefix
        return
    for entry in entries:
        if entry.name.startswith('.'):
            continue
        name = prefix + entry.name
        suffix = os.path.splitext(entry.name)[1].lower()
        if _is_folder(entry):
            if entry.name not in _PROGRAM_FOLDERS and (leave_out is None or os.path.realpath(entry.path) != leave_out):
                yield from _search(entry.path, f'{name}/', wanted, skipped, leave_out, (*parents, identity))
        elif suffix in wanted:
            yield name
        else:
            skipped[suffix] += 1


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # for example a link to itself
        return False


def list_images(folder: Path, also: tuple[str, ...] = (), skipped: Counter[str] | None = None) -> list[Path]:
    """Return the image files in a folder and its sub-folders, as :func:`iter_images` finds them.

    Args:
        folder: folder to search.
        also: further file suffixes to include, in lower case, for example ``('.mp4',)``.
        skipped: as in :func:`iter_images`.

    Returns:
        Paths relative to the folder, sorted.
    """
    return list(iter_images(folder, (*readable_suffixes(), *also), skipped))


def skipped_by_suffix(skipped: Mapping[str, int]) -> str:
    """Describe the files that :func:`iter_images` has passed over, for example for a log.

    Args:
        skipped: maps each suffix to the number of files. '' is the key of files without suffix.

    Returns:
        A text such as ``'skipped 5 files: 3 .heic (to read them: pip install pillow-heif), 2 .txt'``. An empty text if
        no file was passed over.
    """
    counts = sorted(skipped.items(), key=lambda item: (-item[1], item[0]))
    counts = [(suffix, number) for suffix, number in counts if number]
    if not counts:
        return ''
    total = sum(number for _, number in counts)
    names = [f'{suffix or "without suffix"}{_hint(suffix)}' for suffix, _ in counts]
    if len(counts) > 1:
        names = [f'{number} {name}' for name, (_, number) in zip(names, counts, strict=True)]
    return f'skipped {total} {"file" if total == 1 else "files"}: {", ".join(names)}'


def with_skipped(text: str, skipped: Mapping[str, int]) -> str:
    """Append the description of the passed-over files to a text, for example ``'no images; skipped 1 file: .cr2'``."""
    return '; '.join(filter(None, [text, skipped_by_suffix(skipped)]))


def _hint(suffix: str) -> str:
    """Return advice for reading files with this suffix, in brackets. Return an empty text if there is none."""
    if suffix in FORMATS['HEIF']:
        return ' (to read them: pip install pillow-heif)'
    if suffix in FORMATS['AVIF']:
        return ' (to read them: pip install --upgrade pillow)'
    return ' (convert raw files to TIFF or JPEG first)' if suffix in _RAW_SUFFIXES else ''


def expand_pattern(text: str) -> list[str]:
    """Return the paths that match a pattern such as ``images/*.jpg``.

    Shells usually expand patterns. The Windows command prompt does not, and no shell expands a quoted pattern.

    Args:
        text: a path or a pattern. ``**`` matches any number of folders.

    Returns:
        The matching paths, sorted. The text itself if it is the name of an existing file, or if nothing matches it.
    """
    if not glob.has_magic(text) or os.path.lexists(text):
        return [text]
    return sorted(glob.glob(text, recursive=True)) or [text]
