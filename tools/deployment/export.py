"""A derainer as one file that runs without mmderain: ONNX, or a program of torch.export.

    python tools/deployment/export.py configs/derain/sian_rain100h.py sian.pth sian.onnx
    python tools/deployment/export.py configs/derain/sian_rain100h.py sian.pth sian.pt2

The suffix says which. The model takes ``rainy``, (1, 3, H, W), RGB in [0, 1], float32, and gives ``derained`` of the
same shape, clamped to [0, 1]: colour order and normalisation of the network are inside. Height and width may vary, in
the multiples that are printed; MAFNet keeps the --size it is exported at, for the windows that it pools depend on it.
What was written is loaded again and run, on --size and on another size, and must agree with PyTorch to 1e-4; else it
is removed. ONNX needs the extra [export].
"""

import argparse
import logging
import math
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from mmderain.apis import init_model
from mmderain.errors import InputError

OPSET = 20
TOLERANCE = 1e-4
SUFFIXES = ('.onnx', '.pt2')


class Exported(nn.Module):
    """What is exported: the last stage, clamped."""

    def __init__(self, derainer: nn.Module) -> None:
        super().__init__()
        self.derainer = derainer

    def forward(self, rainy: Tensor) -> Tensor:
        """(1, 3, H, W), RGB in [0, 1] -> the same."""
        return self.derainer.stages(rainy)[-1].clamp(0, 1)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='of a derainer')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('out', type=Path, help='.onnx or .pt2')
    parser.add_argument(
        '--size', type=int, nargs=2, default=(320, 480), metavar=('HEIGHT', 'WIDTH'), help='default: 320 480'
    )
    parser.add_argument('--fixed', action='store_true', help='take no other size than --size')
    return parser.parse_args(argv)


def export(model: Exported, out: Path, size: tuple[int, int], multiple: int | None) -> None:
    """Write the file.

    Args:
        multiple: of which height and width may be any; None fixes them at ``size``.
    """
    rainy = torch.rand(1, 3, *size)
    shapes = None
    if multiple is not None:
        # At least eight steps: every branch on small sizes is then decided.
        sides = [torch.export.Dim(name, min=8, max=2**14) for name in ('h', 'w')]
        shapes = ({2 + i: side if multiple == 1 else multiple * side for i, side in enumerate(sides)},)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.export.export(model, (rainy,), dynamic_shapes=shapes, strict=False)
        if out.suffix == '.pt2':
            torch.export.save(program, out)
            return
        logging.disable(logging.WARNING)  # of the exporter, which logs each constant that it does not fold
        try:
            onnx = torch.onnx.export(
                program, (rainy,), input_names=['rainy'], output_names=['derained'], opset_version=OPSET, verbose=False
            )
        finally:
            logging.disable(logging.NOTSET)
        onnx.save(out, external_data=False)


def load(path: Path) -> Callable[[Tensor], Tensor]:
    """The exported model as a function, on the CPU."""
    if path.suffix == '.pt2':
        return torch.export.load(path).module()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    return lambda rainy: torch.from_numpy(session.run(None, {'rainy': rainy.numpy()})[0])


def seconds(call: Callable[[Tensor], Tensor], rainy: Tensor) -> float:
    """The least of three, after one to warm up."""
    times = []
    with torch.no_grad():
        for _ in range(4):
            start = time.perf_counter()
            call(rainy)
            times.append(time.perf_counter() - start)
    return min(times[1:])


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if args.out.suffix not in SUFFIXES:
            raise InputError(f'{args.out}: expected a file that ends in {" or ".join(SUFFIXES)}')
        if args.out.suffix == '.onnx':
            try:
                import onnx  # noqa: F401
                import onnxruntime  # noqa: F401
                import onnxscript  # noqa: F401
            except ImportError as error:
                raise InputError(f"{error}; ONNX needs the extra [export]: pip install 'mmderain[export]'") from error
        derainer = init_model(args.config, args.checkpoint)
        kind = type(derainer.network).__name__
        multiple = math.lcm(derainer.spec.size_multiple, derainer.spec.export_multiple)
        if any(side % multiple or side < 8 * multiple for side in args.size):
            raise InputError(
                f'--size {args.size[0]} {args.size[1]}: {kind} is exported for multiples of {multiple} from '
                f'{8 * multiple} on'
            )
        fixed = args.fixed or not derainer.spec.export_any_size
        model = Exported(derainer).eval()
        args.out.parent.mkdir(parents=True, exist_ok=True)
        part = args.out.with_name(f'{args.out.stem}.part{args.out.suffix}')
        try:
            try:
                export(model, part, args.size, None if fixed else multiple)
            except Exception as error:  # torch's exporters raise errors of many kinds
                raise InputError(
                    f'{args.config}: torch cannot export {kind}: {str(error).strip().splitlines()[0]}'
                    + ('' if fixed else '; --fixed asks less of it')
                ) from error
            exported = load(part)
            sizes = [args.size] if fixed else [args.size, (12 * multiple, 8 * multiple)]
            for size in sizes:
                rainy = torch.rand(1, 3, *size)
                with torch.no_grad():
                    difference = (exported(rainy) - model(rainy)).abs().max().item()
                print(f'{size[0]}x{size[1]}: differs from PyTorch by at most {difference:.1e}')
                if not difference < TOLERANCE:
                    raise InputError(f'{args.out}: not written, for it differs from PyTorch by more than {TOLERANCE}')
            part.replace(args.out)
        finally:
            part.unlink(missing_ok=True)
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    rainy = torch.rand(1, 3, *args.size)
    ours, theirs = seconds(model, rainy), seconds(exported, rainy)
    what = f'ONNX opset {OPSET}' if args.out.suffix == '.onnx' else 'torch.export'
    of = f'{args.size[0]}x{args.size[1]} only' if fixed else f'any height and width that are multiples of {multiple}'
    print(f'{args.out}: {kind}, {what}, {of}, {args.out.stat().st_size / 2**20:.1f} MiB')
    name = 'onnxruntime' if args.out.suffix == '.onnx' else 'the program'
    print(f'{args.size[0]}x{args.size[1]}: {name} {theirs:.2f} s, PyTorch {ours:.2f} s, {ours / theirs:.2f} times')
    return 0


if __name__ == '__main__':
    sys.exit(main())
