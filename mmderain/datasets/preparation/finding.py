"""Find the pairs of a published data set by the names of its files and folders."""

import filecmp
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mmderain.errors import InputError
from mmderain.io.image import list_images

from ..releases import RELEASES, Release


class FoundPair(NamedTuple):
    """One pair of a release.

    Attributes:
        fields: fields of the rainy name, from which its name in the configs' layout is made.
        img: the rainy file, or the file that holds both halves.
        gt: the clean file; None if ``img`` holds both halves.
    """

    fields: dict[str, str]
    img: Path
    gt: Path | None


@dataclass
class Found:
    """Content of the folder that a release was unpacked to.

    Attributes:
        pairs: usable pairs of each split.
        left_out: files that belong to no pair of the data set, each with the reason.
        flawed: rainy files of pairs that cannot be used, each with the reason.
    """

    pairs: dict[str, list[FoundPair]] = field(default_factory=dict)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    flawed: list[tuple[Path, str]] = field(default_factory=list)


class _Role(NamedTuple):
    """Place of a file in the data set: its split, the number of the rule that it fits, and the fields of its name."""

    split: str
    rule: int
    is_rainy: bool
    fields: dict[str, str]


#: Files of one role, by what tells them apart; each with the fields of its name.
_Table = dict[tuple, tuple[Path, _Role]]


def find_pairs(name: str, src: Path, roots: dict[str, Path] | None = None) -> Found:
    """Find the pairs of a published data set by its names.

    Args:
        name: a key of ``RELEASES``.
        src: folder that the release was unpacked to.
        roots: folder of each split, needed only if the names of folders do not tell train from test.

    Raises:
        InputError: two different images have the name of the same pair, or the folders of the splits overlap.
    """
    release, found = RELEASES[name], Found()
    rainy, clean = _sort_by_role(name, _candidates(name, src, roots), found)
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


def _candidates(name: str, src: Path, roots: dict[str, Path] | None) -> list[tuple[list[str], Path]]:
    """Return each image with the splits that it may belong to by its folders.

    Raises:
        InputError: the folders of the splits overlap.
    """
    if roots:
        folders = [root.resolve() for root in roots.values()]
        if any(a.is_relative_to(b) for a in folders for b in folders if a is not b):
            raise InputError(f'{name}: the folders of train and test must not lie within each other: {src}')
        return [([split], root / path) for split, root in roots.items() for path in list_images(root)]
    # The name of the source counts too: in Rain100H/rain-001.png, only the folder tells the split.
    top = Path(src.resolve().name)
    return [(_splits_of(RELEASES[name], top / path), src / path) for path in list_images(src)]


def _sort_by_role(name: str, candidates: list[tuple[list[str], Path]], found: Found) -> tuple[_Table, _Table]:
    """Return the rainy and the clean images of all pairs, each by the fields of its own name.

    Args:
        name: a key of ``RELEASES``.
        candidates: result of :func:`_candidates`.
        found: files that belong to no pair are added to its ``left_out``.

    Raises:
        InputError: two different images have the name of the same pair.
    """
    release, collisions = RELEASES[name], []
    rainy: _Table = {}
    clean: _Table = {}
    for splits, path in candidates:
        role = _role_of(release, splits, path)
        if role is None:
            reason = 'its name is not one of the data set' if splits else 'its folders name no split of this data set'
            found.left_out.append((path, reason))
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
        shown = '\n  '.join(collisions[:10]) + (f'\n  ... {len(collisions)} in all' if len(collisions) > 10 else '')
        raise InputError(
            f'{name}: different images have the name of the same pair:\n  {shown}\nDoes SRC hold two data sets? '
            'Give a smaller SRC, name the folders of the splits (--train, --test), or remove one of each.'
        )
    return rainy, clean


def _splits_of(release: Release, path: Path) -> list[str]:
    """Return the splits that an image may belong to; of its folders, the innermost one that names a split decides."""
    folders = path.parts[:-1]
    if any(re.search(release.other, folder, re.IGNORECASE) for folder in folders):
        return []
    for folder in reversed(folders):
        for name, split in release.splits.items():
            if split.folder and re.search(split.folder, folder, re.IGNORECASE):
                return [name]
    return [name for name, split in release.splits.items() if not split.folder]


def _role_of(release: Release, splits: list[str], path: Path) -> _Role | None:
    """Return the split, the number of the rule and the name fields of an image, and whether it is rainy.

    Args:
        release: the release.
        splits: names of the splits to consider.
        path: path of the image in the folder of the release.

    Returns:
        None if no rule of the splits matches the path.
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
    """Return the named groups of a pattern that the end of the path fits, None if it does not fit."""
    if pattern is None:
        return None
    found = re.search(rf'(?:^|/){pattern}$', path.with_suffix('').as_posix(), re.IGNORECASE)
    return None if found is None else found.groupdict()


def _key_of(role: _Role, pattern: str | None) -> tuple:
    """Return split, rule and the fields that a pattern names; whole numbers are compared as numbers (007 is 7)."""
    values = [role.fields[name] for name in re.compile(pattern or '').groupindex]
    return role.split, role.rule, *(int(value) if value.isdigit() else value for value in values)
