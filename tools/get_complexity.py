"""Print the number of parameters, the number of multiply-adds and the run time of networks.

    python tools/get_complexity.py configs/derain/mafnet_rain200h.py --size 320 480

The tool prints a row for each config. The counter of torch counts the multiply-adds of convolutions and matrix products
only. The tool divides their number by the number of pixels of the image. The run time is the time of one forward pass
in float32 for one image.
"""

import argparse
import sys
from functools import partial

import torch

from mmderain.apis import init_model
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_cfg_options
from mmderain.engine.profiling import forward_pass, multiply_adds, random_images, time_calls


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='config files of derainers')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=(320, 480),
        metavar=('HEIGHT', 'WIDTH'),
        help='height and width of the image in pixels (default: 320 480)',
    )
    parser.add_argument('--device', default='cpu', help='device of the networks, such as cpu or cuda:0 (default: cpu)')
    parser.add_argument(
        '--repeats',
        type=int,
        default=3,
        metavar='N',
        help='number of timed passes; the tool prints the shortest time (default: 3)',
    )
    add_cfg_options(parser, 'model.network.channels=32')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Print a row for each config."""
    pixels = args.size[0] * args.size[1]
    threads = f', {torch.get_num_threads()} threads' if args.device == 'cpu' else ''
    print(f'{args.size[0]}x{args.size[1]} pixels, float32, {args.device}{threads}, torch {torch.__version__}')
    print(f'{"network":10}{"parameters":>12}{"multiply-adds a pixel":>24}{"seconds":>10}', flush=True)
    for config in args.configs:
        network = init_model(config, device=args.device, cfg_options=args.cfg_options).network
        count = sum(p.numel() for p in network.parameters())
        image = random_images(network, args.size, device=args.device)
        adds = multiply_adds(network, image.shape[-2:]) / pixels
        print(f'{type(network).__name__:10}{count:12,}{adds:24,.0f}', end='', flush=True)
        run = forward_pass(network, 'fp32', args.device, keep_memory=False)
        (milliseconds,) = time_calls([partial(run, image)], args.repeats, args.device)
        print(f'{min(milliseconds) / 1000:10.2f}', flush=True)


if __name__ == '__main__':
    sys.exit(main())
