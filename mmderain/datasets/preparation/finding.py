"""Find the image pairs of a published data set by the names of its files and folders."""

import filecmp
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mmderain.errors import InputError
from mmderain.io.image import list_images

from ..releases import RELEASES, Release


class FoundPair(NamedTuple):
    """One image pair of a release.

    Attributes:
        fields: maps the named groups of the expression for rainy images, such as ``id``, to their values in the path of
            the rainy file. :class:`~mmderain.datasets.releases.Split` explains the expressions. The file names in the
            prepared data set are made from these values.
        img: the rainy file, or the file that contains the rainy and the clean image side by side.
        gt: the clean file; None if ``img`` contains both images.
    """

    fields: dict[str, str]
    img: Path
    gt: Path | None


@dataclass
class Found:
    """Files of a release, sorted into usable pairs, files without a pair, and pairs that cannot be used.

    Attributes:
        pairs: maps the name of each split to its usable pairs.
        left_out: files that belong to no pair of the data set, each with the reason.
        flawed: rainy files of pairs that cannot be used, each with the reason.
        skipped: number of the files that are not images, for each suffix, see
            :func:`~mmderain.io.folders.skipped_by_suffix`.
    """

    pairs: dict[str, list[FoundPair]] = field(default_factory=dict)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    flawed: list[tuple[Path, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


class _Role(NamedTuple):
    """Role of an image file in the data set.

    Attributes:
        split: name of the split.
        rule: index in ``Split.rules`` of the rule that the file matches.
        is_rainy: True if the file matches the rainy expression of this rule, False if it matches the clean expression.
        fields: maps the named groups of this expression, such as ``id``, to their values in the path of the file.
    """

    split: str
    rule: int
    is_rainy: bool
    fields: dict[str, str]


#: Maps the key of an image, see _key_of(), to its path and its role.
_Table = dict[tuple, tuple[Path, _Role]]


def find_pairs(name: str, src: Path, roots: dict[str, Path] | None = None) -> Found:
    """Find the image pairs of a published data set by the names of its files and folders.

    Args:
        name: a key of ``RELEASES``.
        src: folder with the unpacked release.
        roots: maps the name of each split to its folder. It is needed only if the names of the folders do not show the
            splits.

    Raises:
        InputError: the names of two different rainy images, or of two different clean images, belong to the same pair.
            Also raised if a folder of ``roots`` lies inside another folder of ``roots``.
    """
    release, found = RELEASES[name], Found()
    rainy, clean = _sort_by_role(name, _candidates(name, src, roots, found.skipped), found)
    found.pairs = {split: [] for split in release.splits}
    used = set()
    for path, role in rainy.values():
        gt_pattern, partner = release.splits[role.split].rules[role.rule][1], None
        if gt_pattern is not None:
            key = _key_of(role, gt_pattern)
            if key not in clean:
                found.left_out.append((path, 'no clean partner'))
                continue
            partner = clean[key][0]
            used.add(key)
        found.pairs[role.split].append(FoundPair(role.fields, path, partner))
    found.left_out += [(path, 'no rainy partner') for key, (path, _) in clean.items() if key not in used]
    return found


def _candidates(
    name: str, src: Path, roots: dict[str, Path] | None, skipped: Counter[str]
) -> list[tuple[list[str], Path]]:
    """Return each image: the names of the splits to which it may belong, and its path.

    The names of the folders show the splits, unless ``roots`` gives the folder of each split.

    The files that are not images are counted in ``skipped``.

    Raises:
        InputError: a folder of ``roots`` lies inside another folder of ``roots``.
    """
    if roots:
        folders = [root.resolve() for root in roots.values()]
        if any(a.is_relative_to(b) for a in folders for b in folders if a is not b):
            names = ' and '.join(map(str, roots.values()))
            raise InputError(
                f'{name}: the folder of one split must not lie inside the folder of another split: {names}'
            )
        return [([split], root / path) for split, root in roots.items() for path in list_images(root, skipped=skipped)]
    # The name of the folder `src` can also show the split. For example, if `src` is Rain100H and contains rain-001.png,
    # only the name Rain100H shows that this image belongs to the test split.
    top = Path(src.resolve().name)
    return [(_splits_of(RELEASES[name], top / path), src / path) for path in list_images(src, skipped=skipped)]


def _sort_by_role(name: str, candidates: list[tuple[list[str], Path]], found: Found) -> tuple[_Table, _Table]:
    """Return a table of the rainy images and a table of the clean images.

    Args:
        name: a key of ``RELEASES``.
        candidates: result of :func:`_candidates`.
        found: files that match no rule, and copies of other files, are added to its list ``left_out``.

    Raises:
        InputError: the names of two different rainy images, or of two different clean images, belong to the same pair.
    """
    release, collisions = RELEASES[name], []
    rainy: _Table = {}
    clean: _Table = {}
    for splits, path in candidates:
        role = _role_of(release, splits, path)
        if role is None:
            problem = 'its name does not match' if splits else 'its folders do not belong to a split of'
            found.left_out.append((path, f'{problem} this data set'))
            continue
        table = rainy if role.is_rainy else clean
        img_pattern, gt_pattern = release.splits[role.split].rules[role.rule]
        key = _key_of(role, img_pattern if role.is_rainy else gt_pattern)
        if key not in table:
            table[key] = (path, role)
        elif filecmp.cmp(table[key][0], path, shallow=False):
            found.left_out.append((path, 'a copy of another file'))
        else:
            collisions.append(f'{table[key][0]} and {path}')
    if collisions:
        shown = '\n  '.join(collisions[:10]) + (f'\n  ... {len(collisions)} in total' if len(collisions) > 10 else '')
        raise InputError(
            f'{name}: the names of different images belong to the same pair:\n  {shown}\nIf SRC contains two data '
            'sets, give a sub-folder with only one data set as SRC. If not, name the folders of the splits (--train, '
            '--test), or remove one image of each line.'
        )
    return rainy, clean


def _splits_of(release: Release, path: Path) -> list[str]:
    """Return the names of the splits to which an image may belong.

    If several folders in the path show a split, the innermost folder decides. The list is empty if a folder belongs to
    a related data set, see :attr:`Release.other`.
    """
    folders = path.parts[:-1]
    if any(re.search(release.other, folder, re.IGNORECASE) for folder in folders):
        return []
    for folder in reversed(folders):
        for name, split in release.splits.items():
            if split.folder and re.search(split.folder, folder, re.IGNORECASE):
                return [name]
    return [name for name, split in release.splits.items() if not split.folder]


def _role_of(release: Release, splits: list[str], path: Path) -> _Role | None:
    """Return the role of an image in the data set.

    Args:
        release: the release.
        splits: names of the splits to which the image may belong.
        path: path of the image.

    Returns:
        The role. None if the path matches no rule of these splits, or if its ``id`` is not in :attr:`Split.members`.
    """
    for name in splits:
        split = release.splits[name]
        for number, patterns in enumerate(split.rules):
            for pattern, is_rainy in zip(patterns, (True, False), strict=True):
                fields = _fields_of(pattern, path)
                if fields is not None and (split.members is None or int(fields['id']) in split.members):
                    return _Role(name, number, is_rainy, fields)
    return None


def _fields_of(pattern: str | None, path: Path) -> dict[str, str] | None:
    """Return the values of the named groups, or None if the end of the path (without suffix) does not match."""
    if pattern is None:
        return None
    found = re.search(rf'(?:^|/){pattern}$', path.with_suffix('').as_posix(), re.IGNORECASE)
    return None if found is None else found.groupdict()


def _key_of(role: _Role, pattern: str | None) -> tuple:
    """Return the key of an image: its split, the index of its rule, and the values of the named groups of ``pattern``.

    A value that is an integer is converted to a number, so 007 equals 7. If ``pattern`` is the clean expression of
    the rule, the two images of a pair have the same key.
    """
    values = [role.fields[name] for name in re.compile(pattern or '').groupindex]
    return role.split, role.rule, *(int(value) if value.isdigit() else value for value in values)
