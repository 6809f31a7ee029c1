"""Put a published data set where the configs read it: find its pairs, check every file, link.

    python tools/dataset_converters/prepare_dataset.py rain100h ~/Downloads/Rain100H

The source is not touched. DST (by default data/<name>) gets links, index.csv (every pair) and left_out.csv (every file
that was not used, and why); it appears whole or not at all, and the tool can be run again. Of Rain100H the training
pictures whose background is in the test set are found, and train/without_test_backgrounds.txt lists the others.
docs/en/datasets.md says where each set is published.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from rich.progress import track

from mmderain.datasets.preparation import (
    LEAK_FREE,
    LEFT_OUT,
    Found,
    check_destination,
    check_files,
    find_pairs,
    write_layout,
)
from mmderain.datasets.releases import RELEASES
from mmderain.errors import InputError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name', choices=sorted(RELEASES), metavar='NAME', help=', '.join(sorted(RELEASES)))
    parser.add_argument('src', type=Path, metavar='SRC', help='folder with the unpacked release')
    parser.add_argument('dst', type=Path, nargs='?', metavar='DST', help='default: data/NAME')
    for split in ('train', 'test'):
        parser.add_argument(
            f'--{split}',
            type=Path,
            metavar='DIR',
            help=f'folder of the {split} split below SRC, if folder names do not tell',
        )
    parser.add_argument('--copy', action='store_true', help='copy the files instead of linking them')
    parser.add_argument('--overwrite', action='store_true', help='replace copies, or another set, that this tool made')
    return parser.parse_args(argv)


def chosen_roots(args: argparse.Namespace) -> dict[str, Path]:
    """The folders that were named for the splits."""
    roots = {split: args.src / folder for split in ('train', 'test') if (folder := getattr(args, split)) is not None}
    for split, folder in roots.items():
        if split not in RELEASES[args.name].splits:
            raise InputError(f'--{split}: {args.name} has no such split, only {", ".join(RELEASES[args.name].splits)}')
        if not folder.is_dir():
            raise FileNotFoundError(f'--{split}: {folder}: no such folder')
    return roots


def report(name: str, found: Found) -> None:
    """Print what was found beside what is published, and what was left out: flaws of files one by one, else counts."""
    for split, rule in RELEASES[name].splits.items():
        number = len(found.pairs[split])
        note = '' if number == rule.pairs else '   <- differs: part of the release, or another one'
        print(f'{name} {split}: {number} pairs found, {rule.pairs} expected{note}')
    reasons = defaultdict(list)
    for path, reason in found.left_out:
        reasons[reason].append(path)
    for reason, files in reasons.items():
        more = ', ...' if len(files) > 3 else ''
        print(f'left out, {reason}: {len(files)} ({", ".join(map(str, files[:3]))}{more})')
    for path, flaw in found.flawed:
        print(f'left out, {path}: {flaw}')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    dst = args.dst or Path('data') / args.name
    try:
        if not args.src.is_dir():
            raise FileNotFoundError(f'{args.src}: no such folder; give the folder that the release was unpacked to')
        check_destination(args.name, args.src, dst, args.overwrite)
        found = find_pairs(args.name, args.src, chosen_roots(args))
        total = sum(map(len, found.pairs.values()))
        check_files(found, lambda results: track(results, 'checking files', total=total))
        report(args.name, found)
        if not any(found.pairs.values()):
            raise InputError(
                f'{args.src}: no pairs of {args.name} found. docs/en/datasets.md shows how each release lies; '
                '--train and --test name the folders of the splits if theirs do not say which they are.'
            )
        kept = write_layout(args.name, found, args.src, dst, args.copy, args.overwrite)
    except (OSError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for split, pairs in found.pairs.items():
        if not pairs:
            print(f'warning: no {split} pairs; configs that read them will say that they are missing')
    if kept is None and RELEASES[args.name].test_backgrounds_in_train is not None:
        print(f'warning: {LEAK_FREE} needs train and test in one SRC, and was not written')
    if kept is not None:
        leaks, expected = kept.count(False), RELEASES[args.name].test_backgrounds_in_train
        note = '' if leaks == expected else '   <- differs: part of the release, or another one'
        print(f'left out of training, background is in the test set: {leaks}, {expected} expected{note}')
        print(f'{dst}/train/{LEAK_FREE}: the {kept.count(True)} others')
    how = 'copied' if args.copy else 'linked'
    print(f'{dst}: {sum(map(len, found.pairs.values()))} pairs {how}; every file left out: {dst}/{LEFT_OUT}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
