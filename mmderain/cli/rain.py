"""Draw synthetic rain over every image of a folder. Two calls with the same arguments draw the same rain.

    mmderain rain photos rainy_photos --rain heavy:4+mist

The command writes:

    DST/rain            the rainy images, as PNG files
    DST/layer           the absolute value of the rain that is added to each pixel, as PNG files
    DST/norain          the clean images, as links to the source images or as copies
    DST/manifest.jsonl  a text file. Its first line contains the settings. Each other line contains the seed, the
                        scale and all random parameters of one image

In the three folders, an image has the same relative path as its source image in SRC. In DST/rain and DST/layer, the
suffix of an image that is not a PNG file is replaced by .png. PairedImageDataset can read DST. If the command is
interrupted, run it again with the same arguments: it continues with the images that are missing.
"""

import argparse
import sys
from pathlib import Path

from rich.progress import track

from mmderain.io.folders import skipped_by_suffix
from mmderain.rain.folder import rain_over_folder

from .command import print_failure
from .options import add_keep_suffix_option, add_rain_options, positive_int


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain rain``."""
    parser = commands.add_parser('rain', doc=__doc__, help='draw synthetic rain over a folder of images')
    parser.add_argument(
        'src', type=Path, metavar='SRC', help='folder of clean images; images in its sub-folders are included'
    )
    parser.add_argument(
        'dst',
        type=Path,
        metavar='DST',
        help='folder for the results: a new or empty folder, or the DST of an earlier call with the same arguments',
    )
    add_rain_options(parser, 'heavy', allow_none=False)
    add_keep_suffix_option(parser)
    parser.add_argument(
        '--workers', type=positive_int, metavar='N', help='number of threads (default: the number of CPU cores)'
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
            args.keep_suffix,
        )
    except KeyboardInterrupt:
        print('interrupted; run the same command again to continue', file=sys.stderr)
        raise
    existing = f'; {result.existing} finished by an earlier call' if result.existing else ''
    print(f'{args.dst}: rain drawn over {result.drawn} of {result.images} images{existing}')
    if text := skipped_by_suffix(result.skipped):
        print(text)
    for error in result.errors:
        print_failure(args, error)
    return 1 if result.errors else 0
