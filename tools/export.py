"""Export a derainer to one file that runs without mmderain: ONNX, or a program of torch.export.

    python tools/export.py nafnet nafnet.onnx
    python tools/export.py configs/derain/sian_rain100h.py sian.pt2 --weights sian.pth

The exported model takes `rainy`, float32 (1, 3, H, W), RGB in [0, 1], and returns `derained` of the same shape, clamped
to [0, 1]. It includes the conversion of the color order and the normalization. Height and width must be multiples of
the number that the tool prints, and at least 8 times this number. An exported MAFNet accepts only the --size of the
export, because its pooling depends on the size. The tool loads the written file again and compares it with PyTorch at
--size and, if the model accepts other sizes, at another size. It keeps the file only if the results differ by less than
1e-4. ONNX needs the extra [export].
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmderain.apis import trained_derainer
from mmderain.apis.export import OPSET, ExportedModel, export_derainer, load_exported
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_weights_option, positive_int


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('model', metavar='MODEL', help='a name that `mmderain models` lists, or a config file')
    parser.add_argument('out', type=Path, metavar='OUT', help='file to write: .onnx or .pt2')
    add_weights_option(parser)
    parser.add_argument(
        '--size',
        type=positive_int,
        nargs=2,
        default=(320, 480),
        metavar=('HEIGHT', 'WIDTH'),
        help='size of the example image, px (default: 320 480)',
    )
    parser.add_argument('--fixed', action='store_true', help='export a model that accepts only --size')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Export the model, check the file, and print its speed."""
    derainer, size = trained_derainer(args.model, args.weights), '{}x{}'.format(*args.size)
    result = export_derainer(derainer, args.out, args.size, args.fixed)
    for (height, width), difference in result.differences.items():
        print(f'{height}x{width}: differs from PyTorch by at most {difference:.1e}')
    what, name = (
        ('torch.export', 'the program') if args.out.suffix == '.pt2' else (f'ONNX opset {OPSET}', 'onnxruntime')
    )
    multiple = result.multiple
    sizes = f'{size} only' if multiple is None else f'any height and width that are multiples of {multiple}'
    kind = type(derainer.network).__name__
    print(f'{args.out}: {kind}, {what}, {sizes}, {args.out.stat().st_size / 2**20:.1f} MiB')
    rainy = torch.rand(1, 3, *args.size)
    ours, theirs = seconds(ExportedModel(derainer), rainy), seconds(load_exported(args.out), rainy)
    print(f'{size}: {name} {theirs:.2f} s, PyTorch {ours:.2f} s, {ours / theirs:.2f} times as fast as PyTorch')


def seconds(call: Callable[[Tensor], Tensor], rainy: Tensor) -> float:
    """Return the shortest of three run times, after one run to warm up."""
    times = []
    with torch.no_grad():
        for _ in range(4):
            start = time.perf_counter()
            call(rainy)
            times.append(time.perf_counter() - start)
    return min(times[1:])


if __name__ == '__main__':
    sys.exit(main())
