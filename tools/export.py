"""Export a derainer to one file that runs without mmderain, in the format of ONNX or of torch.export.

    python tools/export.py nafnet nafnet.onnx
    python tools/export.py configs/derain/sian_rain100h.py sian.pt2 --weights sian.pth

The exported model takes the tensor `rainy`, float32 (1, 3, H, W), RGB in [0, 1]. It returns the tensor `derained` with
the same shape, clamped to [0, 1]. The exported model includes the conversion of the channel order and the
normalization.

H and W must be multiples of a number that depends on the network, and at least 8 times this number. The tool prints
this number. An exported MAFNet accepts only the size of --size, because its pooling depends on the image size.

The tool loads the written file, and compares the results of the exported model and of PyTorch for an image of the size
--size. If the exported model accepts other sizes, the tool also compares the results for a second size. If a value
differs by 1e-4 or more, the tool reports an error and keeps no file.

The format ONNX needs the optional packages of mmderain[export].
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
    parser.add_argument(
        'model',
        metavar='MODEL',
        help='the derainer: a name that `mmderain models` lists, or the path of a config file',
    )
    parser.add_argument(
        'out', type=Path, metavar='OUT', help='file to write; its suffix is .onnx for ONNX, and .pt2 for torch.export'
    )
    add_weights_option(parser)
    parser.add_argument(
        '--size',
        type=positive_int,
        nargs=2,
        default=(320, 480),
        metavar=('HEIGHT', 'WIDTH'),
        help='height and width in pixels of the image with which the model is exported and compared (default: 320 480)',
    )
    parser.add_argument(
        '--fixed',
        action='store_true',
        help='export a model that accepts only images of the size --size (default: except for MAFNet, the model '
        'accepts other sizes too)',
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Export the model, check the file, and print its speed."""
    derainer, size = trained_derainer(args.model, args.weights), '{}x{}'.format(*args.size)
    result = export_derainer(derainer, args.out, args.size, args.fixed)
    for (height, width), difference in result.differences.items():
        print(f'{height}x{width}: the results differ from those of PyTorch by at most {difference:.1e}')
    what, name = (
        ('torch.export', 'the exported program')
        if args.out.suffix == '.pt2'
        else (f'ONNX opset {OPSET}', 'onnxruntime')
    )
    multiple = result.multiple
    sizes = f'{size} only' if multiple is None else f'any height and width that are multiples of {multiple}'
    kind = type(derainer.network).__name__
    print(f'{args.out}: {kind}, {what}, {sizes}, {args.out.stat().st_size / 2**20:.1f} MiB')
    rainy = torch.rand(1, 3, *args.size)
    ours, theirs = seconds(ExportedModel(derainer), rainy), seconds(load_exported(args.out), rainy)
    speed = f'{name} is {ours / theirs:.2f} times as fast as PyTorch'
    print(f'{size}: {name} takes {theirs:.2f} s, PyTorch takes {ours:.2f} s; {speed}')


def seconds(call: Callable[[Tensor], Tensor], rainy: Tensor) -> float:
    """Run a model once to warm up, and return the shortest of three more run times in seconds."""
    times = []
    with torch.no_grad():
        for _ in range(4):
            start = time.perf_counter()
            call(rainy)
            times.append(time.perf_counter() - start)
    return min(times[1:])


if __name__ == '__main__':
    sys.exit(main())
