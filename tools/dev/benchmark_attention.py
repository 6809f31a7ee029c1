"""Time the Triton kernels of JDNet's attention against the loop in PyTorch, and compare their results.

    python tools/dev/benchmark_attention.py --sizes 128x128 1080x1920

For each size, the tool runs the kernels and the loop alternately. It prints two lines of JSON: one for the forward
pass, and one for the forward and the backward pass together. A line contains the median time of the kernels and of the
loop in milliseconds. It also contains the largest absolute difference between the kernels and the loop, divided by the
largest absolute value of the loop. In the first line, this is the difference of the results. In the second line, it is
the difference of the results and of the gradients.

The tool also writes these values to attention.json in --out. On a CPU, the kernels run in Triton's interpreter. The
interpreter is slow, and only useful to try the tool at small sizes.
"""

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from mmderain.cli.command import CommandParser, command
from mmderain.engine.machine import device_name
from mmderain.engine.profiling import parse_size, time_calls
from mmderain.io import atomic_write
from mmderain.models.layers.window_attention import WindowAttention
from mmderain.models.layers.window_geometry import coordinates

#: Number of relation channels and of value channels in a unit of a JDNet with 32 channels.
RELATIONS, VALUES = 2, 8


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--sizes',
        nargs='+',
        type=parse_size,
        default=[(128, 128), (1080, 1920)],
        metavar='HxW',
        help='image sizes to measure: height and width in pixels (default: 128x128 1080x1920)',
    )
    parser.add_argument(
        '--window',
        type=int,
        default=7,
        metavar='PIXELS',
        help='side of the attention window (default: 7, as in JDNet)',
    )
    parser.add_argument('--device', default='cuda', help='device: cpu, cuda or cuda:N (default: cuda)')
    parser.add_argument(
        '--repeats',
        type=int,
        default=10,
        metavar='N',
        help='number of timed passes of the kernels, and of the loop (default: 10)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/benchmark_attention'),
        metavar='DIR',
        help='folder for attention.json (default: %(default)s)',
    )
    return parser.parse_args(argv)


def random_inputs(height: int, width: int, window: int, device: str) -> list[Tensor]:
    """Return random tensors q, surroundings, position_term and w, the arguments of ``window_attention``."""
    torch.manual_seed(0)
    cases = [len(coordinates(length, window // 2, torch.zeros(1), length)[0]) for length in (height, width)]
    around = (1 + RELATIONS + VALUES, height + window - 1, width + window - 1)
    shapes = [(1, RELATIONS, height, width), (1, *around), (window, window, *cases), (RELATIONS,)]
    return [torch.randn(*shape, device=device, requires_grad=True) for shape in shapes]


def forward(function: type[torch.autograd.Function], inputs: list[Tensor], window: int) -> list[Tensor]:
    """Run the forward pass, and return its result in a list."""
    with torch.no_grad():
        return [function.apply(*inputs, window)]


def forward_and_backward(function: type[torch.autograd.Function], inputs: list[Tensor], window: int) -> list[Tensor]:
    """Run the forward and the backward pass, and return the result and the gradients of all inputs."""
    result = function.apply(*inputs, window)
    return [result, *torch.autograd.grad(result, inputs, result.detach())]


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Time and compare the two implementations at each size."""
    if args.device == 'cpu':
        os.environ['TRITON_INTERPRET'] = '1'  # set before the next import, which defines the kernels
    from mmderain.models.layers.window_attention_triton import TritonWindowAttention

    settings, rows = dict(device=device_name(args.device), torch=torch.__version__, repeats=args.repeats), []
    for height, width in args.sizes:
        inputs = random_inputs(height, width, args.window, args.device)
        for passes in (forward, forward_and_backward):
            calls = [partial(passes, f, inputs, args.window) for f in (TritonWindowAttention, WindowAttention)]
            pairs = zip(calls[0](), calls[1](), strict=True)
            difference = max(((ours - wanted).abs().max() / wanted.abs().max()).item() for ours, wanted in pairs)
            triton_ms, loop_ms = map(median, time_calls(calls, args.repeats, args.device))
            times = dict(triton_ms=triton_ms, loop_ms=loop_ms, times_as_fast=loop_ms / triton_ms)
            rows.append(dict(size=f'{height}x{width}', passes=passes.__name__, **times, largest_difference=difference))
            print(json.dumps(rows[-1]), flush=True)
            with atomic_write(args.out / 'attention.json') as part:
                part.write_text(json.dumps(dict(settings=settings, rows=rows), indent=1))


if __name__ == '__main__':
    sys.exit(main())
