"""Find the pairs of a published data set, check every file, put them where the configs read them.

``configs/_base_/datasets`` state the layout, :mod:`mmderain.datasets.releases` how each set is published.
"""

import csv
import filecmp
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmderain.errors import InputError
from mmderain.io.image import image_size, read_image

from .pairing import list_images
from .releases import RELEASES, Release

INDEX, LEFT_OUT, LEAK_FREE = 'index.csv', 'left_out.csv', 'without_test_backgrounds.txt'


@dataclass
class Found:
    """What a source holds.

    Attributes:
        pairs: per split, (fields of the rainy name, rainy file, clean file or None).
        left_out: files without a place in the set, and why.
        flawed: rainy files of pairs that cannot be used, and why.
    """

    pairs: dict[str, list[tuple[dict[str, str], Path, Path | None]]] = field(default_factory=dict)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    flawed: list[tuple[Path, str]] = field(default_factory=list)


def _fit(pattern: str | None, path: Path) -> dict[str, str] | None:
    """The fields of a path whose end fits the pattern."""
    if pattern is None:
        return None
    found = re.search(rf'(?:^|/){pattern}$', path.with_suffix('').as_posix(), re.IGNORECASE)
    return None if found is None else found.groupdict()


def _key(pattern: str, fields: dict[str, str]) -> tuple:
    """What a pair agrees on: the clean pattern's fields, 007 and 7 being one number."""
    return tuple(int(fields[n]) if fields[n].isdigit() else fields[n] for n in re.compile(pattern).groupindex)


def _splits_of(release: Release, path: Path) -> list[str]:
    """The splits that a picture may be of by its folders, the innermost one that says so deciding."""
    folders = path.parts[:-1]
    if any(re.search(release.other, folder, re.IGNORECASE) for folder in folders):
        return []
    silent = [name for name, split in release.splits.items() if not split.folder]
    for folder in reversed(folders):
        for name, split in release.splits.items():
            if split.folder and re.search(split.folder, folder, re.IGNORECASE):
                return [name]
    return silent


def _role(release: Release, splits: list[str], path: Path) -> tuple[str, int, bool, dict[str, str]] | None:
    """Split, number of the rule, whether it is the rainy one, and fields of a picture; None if it is no part."""
    for name in splits:
        split = release.splits[name]
        for number, patterns in enumerate(split.rules):
            for pattern, is_rainy in zip(patterns, (True, False), strict=True):
                fields = _fit(pattern, path)
                if fields is not None and (split.members is None or int(fields['id']) in split.members):
                    return name, number, is_rainy, fields
    return None


def find_pairs(name: str, src: Path, roots: dict[str, Path] | None = None) -> Found:
    """Find the pairs of a published data set by its names.

    Args:
        name: a key of ``RELEASES``.
        src: the unpacked release.
        roots: the folder of each split, for when folder names do not tell train from test.

    Raises:
        InputError: two pictures that differ answer to one name, or the splits' folders overlap.
    """
    release, found = RELEASES[name], Found()
    if roots:
        folders = [root.resolve() for root in roots.values()]
        if any(a.is_relative_to(b) for a in folders for b in folders if a is not b):
            raise InputError(f'{name}: the folders of train and test must not lie within each other: {src}')
        pictures = [([split], root / path) for split, root in roots.items() for path in list_images(root)]
    else:
        # The source's own name counts: in Rain100H/rain-001.png only the folder says what it is.
        top = Path(src.resolve().name)
        pictures = [(_splits_of(release, top / path), src / path) for path in list_images(src)]

    collisions: list[str] = []
    rainy: dict[tuple, tuple[Path, dict[str, str]]] = {}
    clean: dict[tuple, tuple[Path, dict[str, str]]] = {}
    for splits, path in pictures:
        role = _role(release, splits, path)
        if role is None:
            reason = 'its name is none of the set' if splits else 'its folders say no split of this set'
            found.left_out.append((path, reason))
            continue
        split, number, is_rainy, fields = role
        table, pattern = rainy if is_rainy else clean, release.splits[split].rules[number][not is_rainy]
        key = (split, number, *_key(pattern, fields))
        if key not in table:
            table[key] = (path, fields)
        elif filecmp.cmp(table[key][0], path, shallow=False):
            found.left_out.append((path, 'a copy of another one'))
        else:
            collisions.append(f'{table[key][0]} and {path}')
    if collisions:
        shown = '\n  '.join(collisions[:10]) + (f'\n  ... {len(collisions)} in all' if len(collisions) > 10 else '')
        raise InputError(
            f'{name}: pictures that differ answer to the same name:\n  {shown}\nAre these two sets in one source? '
            'Give a smaller SRC, name the folders of the splits (--train, --test), or take one of each out.'
        )

    found.pairs = {split: [] for split in release.splits}
    used = set()
    for (split, number, *_), (path, fields) in rainy.items():
        pattern, partner = release.splits[split].rules[number][1], None
        if pattern is not None:
            key = (split, number, *_key(pattern, fields))
            if key not in clean:
                found.left_out.append((path, 'no clean partner'))
                continue
            partner = clean[key][0]
            used.add(key)
        found.pairs[split].append((fields, path, partner))
    found.left_out += [(path, 'no rainy partner') for key, (path, _) in clean.items() if key not in used]
    return found


def flaw_of(img: Path, gt: Path | None) -> str:
    """What is wrong with a pair's files, '' if nothing: every pixel is decoded."""
    sizes = []
    for path in (img, gt) if gt else (img,):
        try:
            sizes.append(image_size(path, decode=True))
        except InputError as error:
            return str(error)
    if gt is None:
        return f'width {sizes[0][1]} is odd, it cannot be two halves' if sizes[0][1] % 2 else ''
    (h, w), (gh, gw) = sizes
    return '' if sizes[0] == sizes[1] else f'{h}x{w} pixels, its clean partner {gt} {gh}x{gw}'


def check_files(found: Found, progress: Callable = iter, workers: int | None = None) -> None:
    """Take pairs with damaged files or unequal sizes out of what was found.

    Args:
        progress: wraps the iterable of results, for a progress display.
        workers: threads; by default one a core.
    """
    entries = [(name, entry) for name, pairs in found.pairs.items() for entry in pairs]
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        flaws = list(progress(pool.map(lambda item: flaw_of(*item[1][1:]), entries)))
    sound: dict[str, list] = {name: [] for name in found.pairs}
    for (name, entry), flaw in zip(entries, flaws, strict=True):
        if flaw:
            found.flawed.append((entry[1], flaw.removeprefix(f'{entry[1]}: ')))
        else:
            sound[name].append(entry)
    found.pairs = sound


def fingerprint(path: Path) -> bytes:
    """Hash of a picture's size and pixels, whatever its file format."""
    pixels = read_image(path)
    return hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).digest()


def without_test_backgrounds(found: Found) -> list[bool]:
    """Of each training pair, whether its clean picture is none of the test set's, pixel by pixel."""
    with ThreadPoolExecutor() as pool:
        known = set(pool.map(fingerprint, (gt for _, _, gt in found.pairs['test'])))
        return [mark not in known for mark in pool.map(fingerprint, (gt for _, _, gt in found.pairs['train']))]


def _place(source: Path, target: Path, copy: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        try:
            target.symlink_to(source.resolve())
            return
        except OSError:  # a file system without links
            pass
    shutil.copy2(source, target)


def check_destination(name: str, src: Path, dst: Path, overwrite: bool = False) -> None:
    """Whether ``write_layout`` may put a set there: whatever somebody may miss stays where it is.

    Raises:
        InputError: ``dst`` is a file, lies in the source or around it, or holds what this tool has not put there; or
            it holds another set, or copies, which may be the only ones, and ``overwrite`` is not given.
    """
    here, there = src.resolve(), dst.resolve()
    if there.is_relative_to(here) or here.is_relative_to(there):
        raise InputError(f'{dst}: source and destination must not lie within each other (source: {src})')
    if there.exists() and not there.is_dir():
        raise InputError(f'{dst} is a file; name a folder')
    if not there.is_dir():
        return
    rows = []
    if (there / INDEX).is_file():
        with open(there / INDEX, newline='', encoding='utf-8') as stream:
            rows = list(csv.DictReader(stream))
    ours = {there / row[key] for row in rows for key in ('img', 'gt')}
    ours |= {there / INDEX, there / LEFT_OUT, there / 'train' / LEAK_FREE}
    files = [path for path in sorted(there.rglob('*')) if path.is_symlink() or path.is_file()]
    foreign = [path for path in files if path not in ours]
    if foreign:
        raise InputError(
            f'{dst} holds {len(foreign)} files that were not put there by this tool, for example {foreign[0]}; '
            'move them away, or name another destination'
        )
    if overwrite or not rows:
        return
    if rows[0]['set'] != name:
        raise InputError(f'{dst} holds {rows[0]["set"]}; name another destination, or --overwrite it')
    if not (there / rows[0]['img']).is_symlink():
        raise InputError(f'{dst} holds copies of {len(rows)} pairs; name another destination, or --overwrite them')


def write_layout(
    name: str, found: Found, src: Path, dst: Path, copy: bool = False, overwrite: bool = False
) -> list[bool] | None:
    """Put what was found under ``dst`` as the configs read it, all or nothing.

    Args:
        copy: copy files; otherwise they are linked where the file system has links.
        overwrite: replace another set, or copies, that this tool put there.

    Returns:
        What :func:`without_test_backgrounds` says, if the set has such a flaw; also written as the list that
        its configs read.

    Raises:
        InputError: as :func:`check_destination`.
    """
    check_destination(name, src, dst, overwrite)
    release, there = RELEASES[name], dst.resolve()
    part, old = (there.with_name(f'.{there.name}.prepare_dataset.{state}') for state in ('part', 'old'))
    shutil.rmtree(part, ignore_errors=True)
    single = len(release.splits) == 1
    rows = []
    for split_name, pairs in found.pairs.items():
        split = release.splits[split_name]
        base = Path() if single else Path(split_name)
        placed: set[Path] = set()
        for fields, *files in pairs:
            fields = {key: value.lower() if key == 'density' else value for key, value in fields.items()}
            row = [name, split_name]
            for file, template in zip(files, (split.img, split.gt), strict=True):
                if file is None:
                    row.append('')
                    continue
                target = base / (template.format(**fields) + file.suffix)
                if target not in placed:  # rainy versions of one scene share their clean picture
                    _place(file, part / target, copy)
                    placed.add(target)
                row.append(target.as_posix())
            rows.append([*row, *(str(file.resolve()) if file else '' for file in files)])
    part.mkdir(parents=True, exist_ok=True)
    for file, head, lines in (
        (INDEX, ['set', 'split', 'img', 'gt', 'source_img', 'source_gt'], rows),
        (LEFT_OUT, ['file', 'reason'], [[str(path), reason] for path, reason in found.left_out + found.flawed]),
    ):
        with open(part / file, 'w', newline='', encoding='utf-8') as stream:
            csv.writer(stream).writerows([head, *lines])
    kept = None
    if release.test_backgrounds_in_train is not None and found.pairs['train'] and found.pairs['test']:
        kept = without_test_backgrounds(found)
        names = [Path(row[2]).relative_to('train/rain').as_posix() for row in rows if row[1] == 'train']
        text = ''.join(f'{name}\n' for name, keep in zip(names, kept, strict=True) if keep)
        (part / 'train' / LEAK_FREE).write_text(text, encoding='utf-8')
    shutil.rmtree(old, ignore_errors=True)
    if there.exists():
        there.rename(old)
    part.rename(there)
    shutil.rmtree(old, ignore_errors=True)
    return kept
