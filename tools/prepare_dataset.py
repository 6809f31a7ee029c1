"""Prepare a data set in the layout that the configs read.

    python tools/prepare_dataset.py rain100h ~/Downloads/Rain100H
    python tools/prepare_dataset.py photographs ~/photographs data/photographs --without home
    python tools/prepare_dataset.py street vtest.avi --uncertain 690 20 768 100

SRC is the downloaded data. It is not changed. DST is data/NAME by default; only for photographs it must be named. If an
error occurs, DST is not changed. `python tools/prepare_dataset.py NAME --help` describes the data set NAME.
docs/en/datasets.md says where each data set is published.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import positive_int
from mmderain.datasets.converters import camvid, photographs, street_video
from mmderain.datasets.preparation import LEAK_FREE, LEFT_OUT, check_destination, check_files, find_pairs, write_layout
from mmderain.datasets.releases import RELEASES
from mmderain.errors import InputError

RELEASE_DOC = """Find the pairs of the published release {name}, check every file, and link the files in DST.

The tool also writes index.csv, which lists every pair, and left_out.csv, which lists every file that is not used, with
the reason. The same call can be repeated. For Rain100H, train/without_test_backgrounds.txt lists the training images
whose background is not in the test set.
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

    for name, release in RELEASES.items():
        pairs = ', '.join(f'{split.pairs:,} {part}' for part, split in release.splits.items())
        doc = RELEASE_DOC.format(name=name)
        own = add(name, doc, f'published pairs: {pairs}', prepare_release, 'folder with the unpacked release')
        for split in ('train', 'test'):
            text = f'folder of the {split} split in SRC, if the names of the folders do not show the splits'
            own.add_argument(f'--{split}', type=Path, metavar='DIR', help=text)
        own.add_argument('--copy', action='store_true', help='copy the files instead of linking them')
        own.add_argument(
            '--overwrite', action='store_true', help='replace copies or another data set that this tool has written'
        )

    text = 'boxes from the label maps of CamVid'
    own = add('camvid_boxes', camvid.__doc__, text, prepare_camvid, 'folder with images/ and annotations/ of CamVid')
    text = 'mark regions with fewer pixels as iscrowd (default: 100)'
    own.add_argument('--min-area', type=int, default=100, metavar='PX', help=text)

    text = 'small images from your own rain-free photographs'
    src = 'image files and folders of image files'
    own = add('photographs', photographs.__doc__, text, prepare_photographs, src, nargs='+')
    text = 'largest length of the shorter side (default: 400 px)'
    own.add_argument('--side', type=int, default=400, metavar='PX', help=text)
    text = 'leave out the photographs with these file names (without suffix)'
    own.add_argument('--without', nargs='+', default=[], metavar='NAME', help=text)
    text = 'use only the photographs with these file names (without suffix)'
    own.add_argument('--only', nargs='+', default=[], metavar='NAME', help=text)
    own.add_argument('--no-quarters', action='store_true', help='do not write quarters of large photographs')

    text = 'labels of the persons in the video of a camera that does not move'
    own = add('street', street_video.__doc__, text, prepare_street, 'video of a camera that does not move')
    own.add_argument('--step', type=positive_int, default=5, metavar='N', help='use every N-th frame (default: 5)')
    text = 'first frame of the test set (default: 600)'
    own.add_argument('--test-from', type=int, default=600, metavar='FRAME', help=text)
    text = 'rectangle in pixels; regions inside it are marked as uncertain (default: none)'
    corners = ('X0', 'Y0', 'X1', 'Y1')
    own.add_argument('--uncertain', type=int, nargs=4, metavar=corners, default=(0, 0, 0, 0), help=text)
    return parser.parse_args(argv)


def prepare_release(args: argparse.Namespace) -> None:
    """Find and check the pairs of a published release, and link or copy them to the destination.

    Args:
        args: parsed command line.

    Raises:
        FileNotFoundError: a source folder does not exist.
        InputError: a split is unknown, no pair is found, or the destination must not be written to.
    """
    release = RELEASES[args.name]
    if not args.src.is_dir():
        raise FileNotFoundError(f'{args.src}: no such folder; give the folder that the release was unpacked to')
    check_destination(args.name, args.src, args.dst, args.overwrite)
    roots = {split: args.src / folder for split in ('train', 'test') if (folder := getattr(args, split)) is not None}
    for split, folder in roots.items():
        if split not in release.splits:
            raise InputError(f'--{split}: {args.name} has no such split, only {", ".join(release.splits)}')
        if not folder.is_dir():
            raise FileNotFoundError(f'--{split}: {folder}: no such folder')
    found = find_pairs(args.name, args.src, roots)
    number = sum(map(len, found.pairs.values()))
    check_files(found, lambda results: track(results, 'checking files', total=number))
    for split, rule in release.splits.items():
        print(f'{args.name} {split}:', expected(len(found.pairs[split]), rule.pairs, ' pairs found, {} expected'))
    reasons = defaultdict(list)
    for path, reason in found.left_out:
        reasons[reason].append(str(path))
    for reason, files in reasons.items():
        print(f'left out, {reason}: {len(files)} ({", ".join(files[:3])}{", ..." if len(files) > 3 else ""})')
    for path, flaw in found.flawed:
        print(f'left out, {path}: {flaw}')
    if not any(found.pairs.values()):
        raise InputError(
            f'{args.src}: no pairs of {args.name} found. docs/en/datasets.md shows the layout of each release. If the '
            'names of the folders do not show the splits, name the folders with --train and --test.'
        )
    kept = write_layout(args.name, found, args.src, args.dst, args.copy, args.overwrite)
    for split, pairs in found.pairs.items():
        if not pairs:
            print(f'warning: no {split} pairs; a config that reads this split will report missing data')
    leaks = release.test_backgrounds_in_train
    if kept is not None:
        print(
            'training pairs whose background is in the test set:', expected(kept.count(False), leaks, ', {} expected')
        )
        print(f'{args.dst}/train/{LEAK_FREE}: list of the other {kept.count(True)} training pairs')
    elif leaks is not None:
        print(f'warning: {LEAK_FREE} was not written, because it needs train and test in one SRC')
    how = 'copied' if args.copy else 'linked'
    number = sum(map(len, found.pairs.values()))
    print(f'{args.dst}: {number} pairs {how}; {args.dst}/{LEFT_OUT} lists the files that were left out')


def prepare_camvid(args: argparse.Namespace) -> None:
    """Write the boxes of CamVid."""
    print(*camvid.write_camvid_boxes(args.src, args.dst, args.min_area), sep='\n')


def prepare_photographs(args: argparse.Namespace) -> None:
    """Shrink photographs."""
    shrink = photographs.shrink_photographs
    print(shrink(args.src, args.dst, args.side, not args.no_quarters, args.without, args.only))


def prepare_street(args: argparse.Namespace) -> None:
    """Label the persons in a street video."""
    label = street_video.label_street_video
    print(*label(args.src, args.dst, args.step, args.test_from, args.uncertain), sep='\n')


def expected(found: int, published: int, text: str) -> str:
    """Return a text that compares a number of pairs with the published number."""
    note = '' if found == published else '   <- differs: SRC may be only a part of the release, or another release'
    return f'{found}' + text.format(published) + note


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Prepare the data set."""
    args.run(args)


if __name__ == '__main__':
    sys.exit(main())
