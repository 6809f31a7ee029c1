"""Derain images, videos, and folders of them.

    mmderain derain rainy.jpg --out derained
    mmderain derain holiday/ video.mp4 --out derained --precision fp32

Results keep their names; those of a folder also keep their sub-folders. An input that cannot be derained is named at
the end and does not stop the others; the exit status is then 1.
"""

import argparse
import sys

from mmderain.apis import DerainInferencer
from mmderain.engine.cpu_memory import keep_cpu_memory

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
        help='side of the tiles that images are cut into; 0: never cut (default: cut where memory requires it)',
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
        help='use torch.compile: it takes a minute or more for each new size and then saves time with each image, so '
        'it is for videos and for many images of one size',
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Derain the inputs and print how many were derained."""
    with keep_cpu_memory():
        inferencer = DerainInferencer(
            args.model, args.weights, args.device, args.precision, args.tile, args.compile or None
        )
        result = inferencer(
            args.inputs,
            batch_size=args.batch_size,
            out_dir=args.out,
            existing=args.existing,
            progress=sys.stderr.isatty(),
        )
    done = sum(prediction is not None for prediction in result.predictions)
    print(f'{done} of {len(result.predictions)} derained' + (f', in {args.out}' if done else ''))
    for name, reason in result.failures.items():
        print_failure(args, result.errors[name], reason)
    return 1 if result.failures else 0
