"""Prepare a data set in the layout that the configs read.

    python tools/prepare_dataset.py rain100h ~/Downloads/Rain100H
    python tools/prepare_dataset.py photographs ~/photographs data/photographs --without home
    python tools/prepare_dataset.py street vtest.avi --uncertain 690 20 768 100

SRC is the downloaded data. The tool does not change SRC. DST is the folder to write. Its default is data/NAME. Only the
data sets photographs and real_rain have no default. If an error occurs, DST is not changed.
`python tools/prepare_dataset.py NAME --help` describes the data set NAME. docs/en/datasets.md says where each data set
is published.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from mmderain.cli.command import CommandParser, ExpandPatterns, command
from mmderain.cli.options import add_keep_suffix_option, positive_int
from mmderain.datasets.converters import bdd100k, camvid, photographs, real_rain, street_video, voc
from mmderain.datasets.preparation import (
    LEAK_FREE,
    LEFT_OUT,
    Comparison,
    Found,
    check_destination,
    check_files,
    compare_backgrounds,
    find_pairs,
    own_test_sets,
    read_test_set,
    require_clean_files,
    write_layout,
)
from mmderain.datasets.releases import RELEASES
from mmderain.errors import InputError
from mmderain.io.folders import skipped_by_suffix

#: Names of the splits. For each split, the option of the same name gives its folder.
SPLITS = ('train', 'val', 'test')
RELEASE_DOC = """Find the pairs of the published release {name}, check every file, and put links to the files into DST.

The tool also writes index.csv, which lists every pair, and left_out.csv, which lists every file that is not used, with
the reason. You can run the same command again. Add --overwrite if DST contains copies instead of links.

The background of a rainy image is its clean image. With --test-sets, the tool writes
train/without_test_backgrounds.txt. This file lists the training images whose background is in none of the test sets.
For {compared}, the test images in SRC are always one of these test sets, even without --test-sets.
"""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    names = parser.add_subparsers(dest='name', metavar='NAME', required=True, title='data sets')

    def add(name: str, doc: str, help: str, run, src: str, **options) -> argparse.ArgumentParser:
        own = names.add_parser(name, doc=doc, help=help)
        own.add_argument('src', type=Path, metavar='SRC', help=src, **options)
        own.add_argument(
            'dst',
            type=Path,
            metavar='DST',
            help='folder to write' if options else f'folder to write (default: data/{name})',
            # After several sources, the destination cannot have a default.
            **({} if options else dict(nargs='?', default=Path('data', name))),
        )
        own.set_defaults(run=run)
        return own

    compared = [name for name, release in RELEASES.items() if release.compare_backgrounds]
    for name, release in RELEASES.items():
        pairs = ', '.join(f'{number_of(split.pairs)} {part}' for part, split in release.splits.items())
        doc = RELEASE_DOC.format(name=name, compared=' and '.join(compared))
        own = add(name, doc, f'published pairs: {pairs}', prepare_release, 'folder with the unpacked release')
        for split in SPLITS:
            text = (
                f'folder of the {split} split, relative to SRC. Necessary only if the names of the folders in SRC do '
                'not show the splits'
            )
            own.add_argument(f'--{split}', type=Path, metavar='DIR', help=text)
        text = (
            'test sets whose backgrounds the training must not use. Each is a prepared data set or a folder of clean '
            'images'
        )
        own.add_argument('--test-sets', type=Path, nargs='+', default=[], metavar='DIR', help=text)
        own.add_argument('--copy', action='store_true', help='copy the files instead of linking them')
        own.add_argument(
            '--overwrite',
            action='store_true',
            help='replace DST even if it contains copies, or another data set that this tool has written',
        )

    text = 'boxes from the label maps of CamVid'
    own = add('camvid_boxes', camvid.__doc__, text, prepare_camvid, 'folder with images/ and annotations/ of CamVid')
    text = 'mark regions with fewer pixels as iscrowd (default: 100)'
    own.add_argument('--min-area', type=int, default=100, metavar='PX', help=text)

    text = 'boxes of BDD100K for one kind of weather, for detectors trained on COCO'
    own = add('bdd100k_rain', bdd100k.__doc__, text, prepare_bdd100k, 'folder bdd100k')
    text = 'use the images whose attribute weather has this value (default: rainy)'
    own.add_argument('--weather', default='rainy', metavar='VALUE', help=text)
    own.add_argument('--split', choices=('train', 'val'), default='val', help='split to use (default: val)')

    for name, source in (('dawn_rain', 'folder Rain of DAWN'), ('rtts', 'folder RTTS of RESIDE')):
        text = f'boxes of the {source}, for detectors trained on COCO'
        add(name, voc.__doc__, text, prepare_voc, source)

    text = 'real rainy images, which have no clean images'
    add(
        'real_rain',
        real_rain.__doc__,
        text,
        prepare_real_rain,
        'folders with rainy images',
        nargs='+',
        action=ExpandPatterns,
    )

    text = 'small images from your own rain-free photographs'
    src = 'image files and folders of image files'
    own = add('photographs', photographs.__doc__, text, prepare_photographs, src, nargs='+', action=ExpandPatterns)
    text = 'largest length of the shorter side of the written images (default: 400 px)'
    own.add_argument('--side', type=int, default=400, metavar='PX', help=text)
    text = 'leave out the photographs with these file names (without suffix)'
    own.add_argument('--without', nargs='+', default=[], metavar='NAME', help=text)
    text = 'use only the photographs with these file names (without suffix)'
    own.add_argument('--only', nargs='+', default=[], metavar='NAME', help=text)
    own.add_argument('--no-quarters', action='store_true', help='do not write quarters of large photographs')
    add_keep_suffix_option(own)

    text = 'labels of the persons in the video of a camera that does not move'
    own = add('street', street_video.__doc__, text, prepare_street, 'video of a camera that does not move')
    own.add_argument('--step', type=positive_int, default=5, metavar='N', help='use every N-th frame (default: 5)')
    text = 'number of the first frame of the test set (default: 600)'
    own.add_argument('--test-from', type=int, default=600, metavar='FRAME', help=text)
    text = 'two corners of a rectangle in pixels. Regions inside it are marked as uncertain (default: no rectangle)'
    corners = ('X0', 'Y0', 'X1', 'Y1')
    own.add_argument('--uncertain', type=int, nargs=4, metavar=corners, default=(0, 0, 0, 0), help=text)
    return parser.parse_args(argv)


def prepare_release(args: argparse.Namespace) -> None:
    """Find and check the pairs of a published release, and link or copy them to the destination.

    Args:
        args: parsed command line.

    Raises:
        FileNotFoundError: a source folder does not exist.
        InputError: the release has no split of this name, no pair is found, the destination must not be changed, or a
            test set cannot be compared.
    """
    release = RELEASES[args.name]
    if not args.src.is_dir():
        raise FileNotFoundError(f'{args.src}: no such folder; give the folder that the release was unpacked to')
    check_destination(args.name, args.src, args.dst, args.overwrite)
    roots = {split: args.src / folder for split in SPLITS if (folder := getattr(args, split)) is not None}
    for split, folder in roots.items():
        if split not in release.splits:
            raise InputError(f'--{split}: {args.name} has no such split; its splits are {", ".join(release.splits)}')
        if not folder.is_dir():
            raise FileNotFoundError(f'--{split}: {folder}: no such folder')
    if args.test_sets:
        require_clean_files(args.name)
    passed_over: dict[Path, Counter[str]] = {folder: Counter() for folder in args.test_sets}
    test_sets = {str(folder): read_test_set(folder, skipped) for folder, skipped in passed_over.items()}
    found = find_pairs(args.name, args.src, roots)
    number = sum(map(len, found.pairs.values()))
    check_files(found, lambda results: track(results, 'checking files', total=number))
    for split, rule in release.splits.items():
        print(f'{args.name} {split}:', expected(len(found.pairs[split]), rule.pairs, ' pairs found'))
    reasons = defaultdict(list)
    for path, reason in found.left_out:
        reasons[reason].append(str(path))
    for reason, files in reasons.items():
        examples = ', '.join(files[:3]) + (', ...' if len(files) > 3 else '')
        print(f'files that were left out ({reason}): {len(files)} ({examples})')
    for path, flaw in found.flawed:
        print(f'left out {path}: {flaw}')
    for folder, skipped in {args.src: found.skipped, **passed_over}.items():
        if text := skipped_by_suffix(skipped):
            print(f'{folder}: {text}')
    if not any(found.pairs.values()):
        raise InputError(
            f'{args.src}: no pairs of {args.name} found. docs/en/datasets.md shows the layout of each release. If the '
            'names of the folders do not show the splits, name the folders with --train and --test.'
        )
    comparison = compare_with_test_sets(args.name, found, test_sets)
    kept = comparison and comparison.kept
    write_layout(args.name, found, args.src, args.dst, args.copy, args.overwrite, kept)
    for split, pairs in found.pairs.items():
        if not pairs:
            print(f'warning: found no {split} pairs; a config that reads this split will report missing data')
    if kept is not None:
        print(
            f'{args.dst}/train/{LEAK_FREE}: list of the {kept.count(True)} training pairs whose background is in no '
            'test set'
        )
    how = 'copied' if args.copy else 'linked'
    number = sum(map(len, found.pairs.values()))
    print(f'{args.dst}: {number} pairs {how}; {args.dst}/{LEFT_OUT} lists the files that were left out')


def compare_with_test_sets(name: str, found: Found, test_sets: dict[str, list[Path]]) -> Comparison | None:
    """Find the training pairs whose background is in a test set, and print their number for each test set.

    Args:
        name: name of the release.
        found: the pairs of the release.
        test_sets: clean images of further test sets, keyed by the names of the test sets.

    Returns:
        The result of the comparison, or None if there is nothing to compare.

    Raises:
        InputError: the user named test sets, but no training pair was found.
    """
    release = RELEASES[name]
    own = own_test_sets(name, found) if release.compare_backgrounds else {}
    test_sets = {**own, **test_sets}
    if release.compare_backgrounds and not own:
        print(
            f'warning: backgrounds are not compared with the test set of {name}, because SRC does not contain this '
            'test set'
        )
    if not test_sets:
        return None
    if not found.pairs['train']:
        if test_sets == own:
            return None
        raise InputError(f'--test-sets: no training pair of {name} was found, so there is nothing to compare')
    comparison = compare_backgrounds(
        found.pairs['train'], test_sets, lambda hashes, total: track(hashes, 'comparing backgrounds', total=total)
    )
    for test_set, number in comparison.shared.items():
        known = release.test_backgrounds_in_train if test_set in own else None
        print(f'training pairs whose background is in {test_set}:', expected(number, known, ''))
    return comparison


def prepare_camvid(args: argparse.Namespace) -> None:
    """Write the boxes of CamVid."""
    print(*camvid.write_camvid_boxes(args.src, args.dst, args.min_area), sep='\n')


def prepare_bdd100k(args: argparse.Namespace) -> None:
    """Write the boxes of BDD100K for one kind of weather."""
    print(*bdd100k.write_bdd100k_test_set(args.src, args.dst, args.weather, args.split), sep='\n')


def prepare_voc(args: argparse.Namespace) -> None:
    """Write boxes from XML files in the format of PASCAL VOC."""
    print(*voc.write_voc_test_set(args.src, args.dst), sep='\n')


def prepare_real_rain(args: argparse.Namespace) -> None:
    """Collect real rainy images."""
    print(*real_rain.link_real_rain(args.src, args.dst), sep='\n')


def prepare_photographs(args: argparse.Namespace) -> None:
    """Write small images of rain-free photographs."""
    shrink = photographs.shrink_photographs
    options = args.side, not args.no_quarters, args.without, args.only, args.keep_suffix
    print(*shrink(args.src, args.dst, *options), sep='\n')


def prepare_street(args: argparse.Namespace) -> None:
    """Label the persons in a street video."""
    label = street_video.label_street_video
    print(*label(args.src, args.dst, args.step, args.test_from, args.uncertain), sep='\n')


def expected(found: int, published: int | None, text: str) -> str:
    """Return a text with the found number of pairs and, if it is known, with the published number."""
    if published is None:
        return f'{found}{text}'
    note = '' if found == published else '   <- differs: SRC may be only a part of the release, or another release'
    return f'{found}{text}, {published} expected{note}'


def number_of(pairs: int | None) -> str:
    """Return a published number of pairs as text."""
    return 'an unknown number of' if pairs is None else f'{pairs:,}'


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Prepare the data set."""
    args.run(args)


if __name__ == '__main__':
    sys.exit(main())
