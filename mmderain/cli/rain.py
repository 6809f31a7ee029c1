"""Draw synthetic rain over every image of a folder. Every run with the same seed draws the same rain.

    mmderain rain photos rainy_photos --rain heavy:4+mist

The command writes:

    DST/rain            the rainy images as PNG
    DST/layer           the light that the rain adds, as PNG; for mist and drops, the absolute difference
    DST/norain          links to the clean images
    DST/manifest.jsonl  the settings in the first line, then for each image its seed, scale and all random parameters

The images in all folders have the file names of the source images. PairedImageDataset can read DST. After an
interruption, the same call continues.
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
    parser.add_argument('dst', type=Path, metavar='DST', help='folder for the results')
    add_rain_options(parser, 'heavy', allow_none=False)
    parser.add_argument(
        '--workers', type=positive_int, metavar='N', help='number of threads (default: one for each core)'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw the rain, and print the number of rainy images."""
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
        print('interrupted; repeat the call to continue', file=sys.stderr)
        raise
    existing = f'; {result.existing} existed already' if result.existing else ''
    print(f'{args.dst}: rain drawn over {result.drawn} of {result.images} images{existing}')
    for error in result.errors:
        print_failure(args, error)
    return 1 if result.errors else 0
