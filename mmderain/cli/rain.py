"""Draw rain over every image of a folder, the same rain in every run.

    mmderain rain photos rainy_photos --rain heavy:4+mist

Writes DST/rain and DST/layer (what the rain adds; for mist and drops the absolute difference) as PNG under the names of
the source, links to the clean images in DST/norain, and DST/manifest.jsonl: first the settings, then for each image its
seed, scale and all drawn parameters. PairedImageDataset reads DST as it is. The same call continues after an
interruption.
"""

import argparse
import sys
from pathlib import Path

from rich.progress import track

from mmderain.rain.folder import rain_over_folder

from .command import print_failure
from .options import add_rain_options, positive_int


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain rain``."""
    parser = commands.add_parser('rain', doc=__doc__, help='draw synthetic rain over a folder of images')
    parser.add_argument('src', type=Path, metavar='SRC', help='folder of clean images, searched with its sub-folders')
    parser.add_argument('dst', type=Path, metavar='DST', help='folder to write')
    add_rain_options(parser, 'heavy', allow_none=False)
    parser.add_argument('--workers', type=positive_int, metavar='N', help='number of threads (default: one a core)')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw the rain and print over how many images it was drawn."""
    try:
        result = rain_over_folder(
            args.src,
            args.dst,
            args.rain,
            args.seed,
            args.workers,
            lambda results, total: track(results, f'{args.rain} rain', total=total),
        )
    except KeyboardInterrupt:
        print('interrupted; the same call continues', file=sys.stderr)
        raise
    existing = f'; {result.existing} existed already' if result.existing else ''
    print(f'{args.dst}: rain drawn over {result.drawn} of {result.images} images{existing}')
    for error in result.errors:
        print_failure(args, error)
    return 1 if result.errors else 0
