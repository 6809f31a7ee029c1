"""Derain images and videos.

    mmderain derain rainy.jpg --out derained
    mmderain derain holiday/ video.mp4 --out derained --precision fp32

Each result file has the name of its input file. The suffix changes in two cases: the result of a video is an .mp4 file,
and the result of an image is a .png file if mmderain cannot write the format of the image. If an input is a folder, the
command creates the sub-folders of the input folder in the folder for the results.

If an input cannot be derained, the command still derains the other inputs. At the end, it prints the error of each
failed input, and the exit status is 1.
"""

import argparse
import sys

from mmderain.apis import DerainInferencer
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.io.image_header import MAX_PIXELS

from .command import ExpandPatterns, print_failure
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
    parser = commands.add_parser('derain', doc=__doc__, help='derain images and videos')
    parser.add_argument(
        'inputs',
        nargs='+',
        action=ExpandPatterns,
        metavar='INPUT',
        help='image file, video file, or folder. All images and videos in a folder and in its sub-folders are derained',
    )
    parser.add_argument('--out', required=True, metavar='FOLDER', help='folder for the result files (required)')
    add_existing_option(parser)
    add_model_options(parser)
    add_device_option(parser)
    add_precision_option(parser)
    parser.add_argument(
        '--tile',
        type=non_negative_int,
        metavar='PIXELS',
        help='side length of square tiles in pixels. An image that is larger than a tile is divided into tiles, which '
        'are derained one after another. 0: never use tiles (default: use tiles only if the memory is too small for '
        'the whole image)',
    )
    parser.add_argument(
        '--batch-size',
        type=positive_int,
        default=1,
        metavar='N',
        help='number of images or video frames of the same size that the network processes together (default: 1)',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='run the network through torch.compile. The compilation takes a minute or more for each new image size. '
        'After the compilation, each image takes less time. This is useful for videos and for many images of the same '
        'size (default: do not compile)',
    )
    parser.add_argument(
        '--max-pixels',
        type=positive_int,
        default=MAX_PIXELS,
        metavar='N',
        help='largest accepted number of pixels (width times height) of an image or a video frame. Larger files are '
        'refused before they are decoded (default: 500 million)',
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Derain the inputs, and print the number of derained inputs and of skipped inputs."""
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
    skipped = sum(entry.skipped for entry in result.results)
    done = len(result.results) - len(failed) - skipped
    text = f'{done} of {len(result.results)} inputs derained'
    if skipped:
        text += f', {skipped} skipped because the result file already exists'
    print(text + (f'; the results are in {args.out}' if done or skipped else ''))
    for entry in failed:
        print_failure(args, entry.error, entry.reason)
    return 1 if failed else 0
