"""Write a prepared data set in the layout that the configs read."""

import csv
import io
from pathlib import Path

from mmderain.errors import InputError
from mmderain.io.files import atomic_folder, link_or_copy, resolve
from mmderain.io.text import read_text, write_csv

from ..releases import RELEASES, Split
from .finding import Found, FoundPair

#: Names of the lists in the folder of a prepared data set: the pairs, the files that were left out, and the rainy
#: training images whose background is not in a test set.
INDEX, LEFT_OUT, LEAK_FREE = 'index.csv', 'left_out.csv', 'without_test_backgrounds.txt'
_INDEX_HEAD = ['set', 'split', 'img', 'gt', 'source_img', 'source_gt']


def check_destination(name: str, src: Path, dst: Path, overwrite: bool = False) -> None:
    """Check that :func:`write_layout` can write to ``dst`` without deleting files that a user may need.

    Args:
        name: a key of ``RELEASES``.
        src: folder with the unpacked release.
        dst: folder of the prepared data set.
        overwrite: whether another prepared data set in ``dst``, or copied images in ``dst``, may be replaced.

    Raises:
        InputError: in one of these cases:

            * ``dst`` is a file, or contains files that :func:`write_layout` did not write.
            * ``dst`` and ``src`` are the same folder, or one of them contains the other.
            * Without ``overwrite``: ``dst`` contains another prepared data set, or copied images.
    """
    here, there = resolve(src), resolve(dst)
    if there.is_relative_to(here) or here.is_relative_to(there):
        raise InputError(f'{dst}: the destination and the source {src} must not contain each other')
    if there.exists() and not there.is_dir():
        raise InputError(f'{dst} is a file; name a folder')
    if not there.is_dir():
        return
    rows = read_index(there / INDEX) if (there / INDEX).is_file() else []
    ours = {there / row[key] for row in rows for key in ('img', 'gt')}
    ours |= {there / INDEX, there / LEFT_OUT, there / 'train' / LEAK_FREE}
    files = [path for path in sorted(there.rglob('*')) if path.is_symlink() or path.is_file()]
    foreign = [path for path in files if path not in ours]
    if foreign:
        raise InputError(
            f'{dst} contains {len(foreign)} files that this tool did not write, for example {foreign[0]}; '
            'move these files away, or name another destination'
        )
    if overwrite or not rows:
        return
    if rows[0]['set'] != name:
        other = rows[0]['set']
        raise InputError(
            f'{dst} contains the data set {other}; name another destination, or use --overwrite to replace it'
        )
    if not (there / rows[0]['img']).is_symlink():
        raise InputError(
            f'{dst} already contains copies of {len(rows)} pairs, and their originals may no longer exist; name '
            'another destination, or use --overwrite to replace the copies'
        )


def read_index(path: Path) -> list[dict[str, str]]:
    """Read the index of a prepared data set.

    Args:
        path: the file ``index.csv``.

    Returns:
        A dict for each pair. Its keys include ``set``, ``split``, ``img`` and ``gt``.

    Raises:
        InputError: a line lacks one of these four columns.
    """
    rows = list(csv.DictReader(io.StringIO(read_text(path), newline='')))
    if any(row.get(key) is None for row in rows for key in ('set', 'split', 'img', 'gt')):
        raise InputError(
            f'{path}: a line lacks one of the columns set, split, img and gt; restore it, or name another folder'
        )
    return rows


def write_layout(
    name: str,
    found: Found,
    src: Path,
    dst: Path,
    copy: bool = False,
    overwrite: bool = False,
    kept: list[bool] | None = None,
) -> None:
    """Write the pairs to ``dst`` in the layout that the configs read, completely or not at all.

    Args:
        name: a key of ``RELEASES``.
        found: the pairs, checked by :func:`~mmderain.datasets.preparation.check_files`.
        src: folder with the unpacked release. It is not changed.
        dst: folder of the prepared data set.
        copy: True copies the files. False links them, or copies them if the file system does not support links.
        overwrite: see :func:`check_destination`.
        kept: one value for each training pair: True if no test set contains its background. The file
            ``train/without_test_backgrounds.txt`` lists the rainy images of these pairs. None does not write the file.

    Raises:
        InputError: see :func:`check_destination`.
    """
    check_destination(name, src, dst, overwrite)
    release = RELEASES[name]
    with atomic_folder(resolve(dst)) as part:
        rows = []
        for split, pairs in found.pairs.items():
            base = Path(split) if len(release.splits) > 1 else Path()
            rows += [[name, split, *row] for row in _place_pairs(pairs, release.splits[split], part, base, copy)]
        write_csv(part / INDEX, _INDEX_HEAD, rows)
        write_csv(part / LEFT_OUT, ['file', 'reason'], found.left_out + found.flawed)
        if kept is not None:
            names = [Path(img).relative_to('train/rain').as_posix() for _, split, img, *_ in rows if split == 'train']
            text = ''.join(f'{name}\n' for name, keep in zip(names, kept, strict=True) if keep)
            (part / 'train' / LEAK_FREE).write_text(text, encoding='utf-8', errors='surrogateescape')


def _place_pairs(pairs: list[FoundPair], split: Split, root: Path, base: Path, copy: bool) -> list[list[str]]:
    """Link or copy the files of pairs.

    Args:
        pairs: pairs of one split.
        split: the split, whose format strings give the new names of the files.
        root: folder of the data set.
        base: folder of the split, relative to ``root``.
        copy: see :func:`write_layout`.

    Returns:
        A row for each pair: the new paths of the rainy and the clean file, relative to ``root``, and then the paths of
        the two source files. If a pair has no clean file, both paths of the clean file are ''.
    """
    rows = []
    placed: set[Path] = set()
    for fields, *files in pairs:
        fields = {key: value.lower() if key == 'density' else value for key, value in fields.items()}
        row = []
        for file, template in zip(files, (split.img, split.gt), strict=True):
            if file is None or template is None:
                row.append('')
                continue
            target = base / (template.format(**fields) + file.suffix)
            if target not in placed:  # several rainy images can have the same clean image
                link_or_copy(file, root / target, copy)
                placed.add(target)
            row.append(target.as_posix())
        rows.append([*row, *(str(file.resolve()) if file else '' for file in files)])
    return rows
