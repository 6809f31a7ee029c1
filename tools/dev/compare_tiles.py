"""Compare an image that is derained in tiles with the same image derained as a whole.

    python tools/dev/compare_tiles.py sian --tile 256 --image photo.jpg
    python tools/dev/compare_tiles.py sian --size 6000x8000

The tool prints the largest difference between the pixel values of the two results on the scale from 0 to 255, and the
PSNR between the two results in dB.

With --size, the tool makes no comparison. The tool derains one very large image, made of copies of --image, on the CPU.
It uses tiles only if the memory is too small for the whole image, as `mmderain derain` does. It prints the run time in
seconds, and on Linux also the peak memory in GiB, including the image and its result.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch

from mmderain.apis import init_model, trained_derainer
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_weights_option
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.engine.profiling import parse_size, peak_memory
from mmderain.hub import find_derainer
from mmderain.io import read_image, to_rgb_tensor

SAMPLE = Path(__file__).resolve().parents[2] / 'demo/sample/test/china.jpg'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        'model',
        metavar='MODEL',
        help='the derainer: a name that `mmderain models` lists, or the path of a config file',
    )
    add_weights_option(parser)
    parser.add_argument(
        '--untrained', action='store_true', help='use random weights, and ignore --weights (default: trained weights)'
    )
    parser.add_argument(
        '--image',
        type=Path,
        default=SAMPLE,
        metavar='FILE',
        help='image to derain (default: demo/sample/test/china.jpg)',
    )
    parser.add_argument(
        '--tile',
        type=int,
        default=256,
        metavar='PIXELS',
        help='side of the square tiles in the comparison; not used with --size (default: 256)',
    )
    parser.add_argument(
        '--size',
        type=parse_size,
        metavar='HxW',
        help='height and width in pixels of a very large image to measure (default: make the comparison)',
    )
    return parser.parse_args(argv)


def large_batch(img: np.ndarray, height: int, width: int) -> torch.Tensor:
    """Return a tensor (1, 3, height, width) that is filled with repetitions of an image."""
    repeats = (-(-height // img.shape[0]), -(-width // img.shape[1]), 1)
    return to_rgb_tensor(np.tile(img, repeats)[:height, :width])[None]


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Compare the two results or, with --size, measure one very large image. Print what was measured."""
    torch.manual_seed(0)
    config = find_derainer(args.model)[0]
    model = init_model(config) if args.untrained else trained_derainer(args.model, args.weights)
    img = read_image(args.image)
    with torch.inference_mode(), keep_cpu_memory():
        if args.size:
            model.restore(torch.zeros(1, 3, 64, 64))  # the first call also sets up the model
            start = time.monotonic()
            held = peak_memory(lambda img: model.restore(large_batch(img, *args.size)), img, 'cpu') / 2**30
            seconds = time.monotonic() - start
            print(f'{args.size[0]}x{args.size[1]}: {seconds:.0f} s, memory increased by at most {held:.2f} GiB')
            return 0
        batch = to_rgb_tensor(img)[None]
        whole, tiled = model.restore(batch, tile=0), model.restore(batch, tile=args.tile)
    error = (whole - tiled).double().square().mean().item()
    psnr = math.inf if error == 0 else -10 * math.log10(error)
    text = f'largest difference {255 * (whole - tiled).abs().max():.5f} of 255, PSNR {psnr:.1f} dB'
    print(f'{type(model.network).__name__}, {img.shape[1]}x{img.shape[0]}, tiles of {args.tile}: {text}')


if __name__ == '__main__':
    sys.exit(main())
