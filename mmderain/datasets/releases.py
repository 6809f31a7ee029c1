"""How each data set lies in the archives it is published as, and how its pairs are found there.

Facts of the releases, none of the pictures: ``prepare`` links what it finds into the layout that
``configs/_base_/datasets`` reads.
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
from mmderain.image import image_size, read_image

from .pairing import list_images

INDEX, LEFT_OUT, LEAK_FREE = 'index.csv', 'left_out.csv', 'without_test_backgrounds.txt'
IMG_FOLDER = '(?:data|rain|rainy|input|rainy_image)'
GT_FOLDER = '(?:gt|norain|clean|groundtruth|ground_truth)'


@dataclass(frozen=True)
class Split:
    """One split of a release.

    Attributes:
        pairs: how many are published.
        rules: alternatives of (rainy, clean) patterns, which the end of a path without its suffix must fit.
            Their named groups are compared, whole numbers as such; the clean pattern's are the key. None for
            the clean one: a file holds both halves.
        folder: pattern of a folder's name that says "this split".
        img, gt: where a pair is put, from the fields of the rainy name.
        members: instead of folders, which value of the field ``id`` belongs to the split.
    """

    pairs: int
    rules: tuple[tuple[str, str | None], ...]
    folder: str
    img: str
    gt: str | None = None
    members: range | None = None


@dataclass(frozen=True)
class Release:
    """A data set as published: its splits, and how to know folders of its sister sets in one archive."""

    splits: dict[str, Split]
    other: str = r'(?!)'
    test_backgrounds_in_train: int | None = None


def _rain100(letter: str, sister: str, train: int, leaks: int | None = None) -> Release:
    rules = ((r'rain-(?P<id>\d+)', r'norain-(?P<id>\d+)'),)
    names = dict(img='rain/rain-{id}', gt='norain/norain-{id}')
    return Release(
        dict(
            train=Split(train, rules, 'train', **names),
            test=Split(100, rules, f'test|rain100{letter}', **names),
        ),
        other=sister,
        test_backgrounds_in_train=leaks,
    )


def _rain200(sister: str) -> Release:
    rules = ((r'norain-(?P<id>\d+)x2', r'norain-(?P<id>\d+)'),)
    names = dict(img='rain/norain-{id}x2', gt='norain/norain-{id}')
    return Release(
        dict(train=Split(1800, rules, 'train', **names), test=Split(200, rules, 'test', **names)), other=sister
    )


def _mpid(kind: str, train: int, test: int, rule: tuple[str, str], img: str, gt: str) -> Release:
    sisters = '|'.join({'drop', 'streak', 'mist'} - {kind})
    names = dict(img=img, gt=gt)
    return Release(
        dict(train=Split(train, (rule,), 'train', **names), test=Split(test, (rule,), 'test', **names)),
        other=rf'(?:{sisters})',
    )


_HALVES = ((r'(?P<id>[^/]+)', None),)

#: By the name of the data set config; facts from the publications and from copies in use.
RELEASES = {
    'rain12': Release(
        dict(
            test=Split(
                12,
                (
                    (r'(?P<id>\d+)_in', r'(?P<id>\d+)_gt'),
                    (r'rain-(?P<id>\d+)', r'norain-(?P<id>\d+)'),
                    (rf'{IMG_FOLDER}/(?P<id>\d+)', rf'{GT_FOLDER}/(?P<id>\d+)'),
                ),
                '',
                'rain/rain-{id}',
                'norain/norain-{id}',
            )
        )
    ),
    'rain100l': _rain100('l', r'(?:100|train)h$|heavy', 200),
    'rain100h': _rain100('h', r'(?:100|train)l$|light', 1800, leaks=546),
    'rain200l': _rain200(r'200h|heavy'),
    'rain200h': _rain200(r'200l|light'),
    'rain1400': Release(
        {
            name: Split(
                14 * len(scenes),
                ((r'(?P<id>\d+)_(?P<version>\d+)', r'(?P<id>\d+)'),),
                '',
                'rain/{id}_{version}',
                'norain/{id}',
                members=scenes,
            )
            for name, scenes in (('train', range(1, 901)), ('test', range(901, 1001)))
        }
    ),
    'did': Release(
        dict(
            train=Split(
                12000,
                ((r'rain_(?P<density>heavy|medium|light)/(?:[^/]+/)?(?P<id>\d+)', None),),
                'train',
                'rain/{density}/{id}',
            ),
            test=Split(1200, ((r'(?P<id>\d+)', None),), 'test', 'rain/{id}'),
        )
    ),
    'spa': Release(
        dict(
            train=Split(
                638492,
                (
                    (
                        r'(?P<scene>\d+)-(?P<frame>\d+)_(?P<x>\d+)_(?P<y>\d+)',
                        r'(?P<scene>\d+)_(?P<x>\d+)_(?P<y>\d+)',
                    ),
                ),
                'train|real_world',
                'rain/{scene}/{scene}-{frame}_{x}_{y}',
                'norain/{scene}/{scene}_{x}_{y}',
            ),
            test=Split(1000, ((r'(?P<id>\d+)', r'(?P<id>\d+)gt'),), 'test', 'rain/{id}', 'norain/{id}gt'),
        )
    ),
    'raincityscapes': Release(
        {
            name: Split(
                pairs,
                (
                    (
                        r'(?P<city>[^/_]+)_(?P<image>\d+_\d+)_leftImg8bit_rain_(?P<parameters>[^/]+)',
                        r'(?P<city>[^/_]+)_(?P<image>\d+_\d+)_leftImg8bit',
                    ),
                ),
                folder,
                'rain/{city}/{city}_{image}_leftImg8bit_rain_{parameters}',
                'norain/{city}/{city}_{image}_leftImg8bit',
            )
            for name, pairs, folder in (('train', 9432, 'train'), ('test', 1188, 'val|test'))
        }
    ),
    'mpid_drop': _mpid(
        'drop', 861, 239, (r'(?P<id>\d+)_rain', r'(?P<id>\d+)_clean'), 'rain/{id}_rain', 'norain/{id}_clean'
    ),
    'mpid_streak': _mpid(
        'streak',
        2400,
        200,
        (rf'{IMG_FOLDER}/(?P<id>\d+)_(?P<kind>[^/_]+)', rf'{GT_FOLDER}/(?P<id>\d+)'),
        'rain/{id}_{kind}',
        'norain/{id}',
    ),
    'mpid_mist': _mpid(
        'mist',
        700,
        70,
        (rf'{IMG_FOLDER}/(?P<id>[^/]+)', rf'{GT_FOLDER}/(?P<id>[^/]+)'),
        'rain/{id}',
        'norain/{id}',
    ),
    'jdnet_pairs': Release(
        dict(train=Split(1800, _HALVES, 'train', 'rain/{id}'), test=Split(200, _HALVES, 'test', 'rain/{id}'))
    ),
}


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
