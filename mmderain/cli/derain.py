"""Derain images, videos, and folders of them.

    mmderain derain rainy.jpg --out derained
    mmderain derain holiday/ video.mp4 --out derained --precision fp32

Each result has the name of its input. The results of a folder are put into the same sub-folders as their inputs. If an
input cannot be derained, the others are still derained, the error is printed at the end, and the exit status is 1.
"""

import argparse
import sys

from mmderain.apis import DerainInferencer
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.io.image_header import MAX_PIXELS

from .command import print_failure
from .options import (
    add_device_option,
    add_existing_option,
    add_model_options,
    add_precision_option,
    non_negative_int,
    positive_int,
)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain derain``."""
    parser = commands.add_parser('derain', doc=__doc__, help='derain images, videos, and folders of them')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='image, video, or folder of them')
    parser.add_argument('--out', required=True, metavar='FOLDER', help='folder for the results')
    add_existing_option(parser)
    add_model_options(parser)
    add_device_option(parser)
    add_precision_option(parser)
    parser.add_argument(
        '--tile',
        type=non_negative_int,
        metavar='PIXELS',
        help='side of the tiles into which images are divided; 0: no tiles (default: tiles if memory requires them)',
    )
    parser.add_argument(
        '--batch-size',
        type=positive_int,
        default=1,
        metavar='N',
        help='number of images of one size that are derained together (default: 1)',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='use torch.compile. The compilation takes a minute or more for each new image size; afterwards each image '
        'takes less time. Useful for videos and for many images of one size',
    )
    parser.add_argument(
        '--max-pixels',
        type=positive_int,
        default=MAX_PIXELS,
        metavar='N',
        help='largest number of pixels of an image or a video frame; larger files are refused before they are decoded '
        '(default: 500 million)',
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Derain the inputs and print how many were derained."""
    with keep_cpu_memory():
        inferencer = DerainInferencer(
            args.model,
            args.weights,
            args.device,
            args.precision,
            args.tile,
            args.compile or None,
            args.max_pixels,
        )
        result = inferencer(
            args.inputs,
            batch_size=args.batch_size,
            out_dir=args.out,
            existing=args.existing,
            progress=sys.stderr.isatty(),
        )
    failed = [entry for entry in result.results if entry.error is not None]
    done = len(result.results) - len(failed)
    print(f'{done} of {len(result.results)} inputs derained' + (f'; the results are in {args.out}' if done else ''))
    for entry in failed:
        print_failure(args, entry.error, entry.reason)
    return 1 if failed else 0
