"""How fast networks are, how much memory they take, and how far that is from what the machine can do.

    python tools/analysis_tools/benchmark.py configs/derain/sian_rain100h.py --precision fp32 bf16
    python tools/analysis_tools/benchmark.py configs/derain/*_bsds.py --sizes 160x240 320x480 640x960 --batches 1 2 4
    python tools/analysis_tools/benchmark.py configs/derain/*_bsds.py --train --sizes 64x64 --batches 4
    python tools/analysis_tools/benchmark.py configs/derain/sian_rain100h.py --paths eager compiled

For each network, size, batch, precision and path (eager: as it is; compiled: by torch.compile; graphs: by
torch.compile with CUDA graphs, mode reduce-overhead): milliseconds of a forward pass, or with --train of a training
step with the config's loss and optimizer (forward, backward, update), least and median; the ratio to the plain
formulation of the network in float32, run by turns with it in this process on the same threads; the share of the
machine's convolution peak (a 3x3 convolution of 64 channels, measured first); peak memory above the weights (on a CPU
what tensors hold, and what is resident); and the PSNR against float32. --reference MODULE:CLASS puts another network
in the place of the plain formulation, for example the authors' own: it is built without arguments and must take
(N, 3, H, W). --reference eager puts the network itself there, eager and in float32. Without --checkpoint the weights
are random, which changes no time. benchmark.json, benchmark.md and benchmark.png go to --out.
"""

import argparse
import importlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import cycle
from pathlib import Path

import torch
from get_complexity import multiply_adds
from measuring import (
    Call,
    convolution_peak,
    device_name,
    forward_pass,
    held_by_tensors,
    machine,
    milliseconds,
    peak_memory,
    size,
    training_step,
)
from mmengine.config import DictAction
from plain_networks import PLAIN
from torch import nn

from mmderain import __version__
from mmderain.apis import init_model
from mmderain.errors import InputError
from mmderain.models import Derainer
from mmderain.models.derainer import PRECISIONS

COLUMNS = {
    'config': 'config',
    'size': 'size',
    'batch': 'batch',
    'precision': 'precision',
    'path': 'path',
    'least_ms': 'least ms',
    'median_ms': 'median ms',
    'ratio': 'times as fast as {reference}',
    'peak_share': '% of conv peak',
    'tensors_kb_a_pixel': 'tensors KB a pixel',
    'memory_kb_a_pixel': 'resident KB a pixel',
    'psnr': 'PSNR to fp32, dB',
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    summary, _, rest = __doc__.partition('\n\n')
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='of derainers')
    parser.add_argument('--checkpoint', help='weights; with one CONFIG only')
    parser.add_argument('--sizes', nargs='+', type=size, default=[(320, 480)], metavar='HxW', help='default: 320x480')
    parser.add_argument(
        '--batches',
        nargs='+',
        type=int,
        default=[1],
        metavar='N',
        help='at the first size; others take the first of these (default: 1)',
    )
    parser.add_argument('--precision', nargs='+', default=['fp32'], choices=PRECISIONS, help='default: fp32')
    parser.add_argument(
        '--paths',
        nargs='+',
        choices=['eager', 'compiled', 'graphs'],
        help='default: eager, or compiled if --cfg-options has a model.compile; that is how it is compiled. '
        'graphs: compiled, with CUDA graphs on a GPU',
    )
    parser.add_argument('--train', action='store_true', help='training steps instead of forward passes')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override entries of the configs for ours, not for the reference: model.network.with_cp=True',
    )
    parser.add_argument('--device', default='cpu', help='default: cpu')
    parser.add_argument('--threads', type=int, help="default: torch's own choice")
    parser.add_argument('--repeats', type=int, default=5, help='timed passes of each (default: 5)')
    parser.add_argument(
        '--reference', metavar='MODULE:CLASS', help='or eager; default: the plain formulation of the network'
    )
    parser.add_argument(
        '--no-memory', action='store_true', help='do not measure memory (Linux only; a process for each row)'
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark'), help='default: %(default)s')
    parser.add_argument('--only-memory', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if not args.paths:
        asked = any(of_compile(k) for k, v in (args.cfg_options or {}).items() if k != 'model.compile' or v)
        args.paths = ['compiled' if asked else 'eager']
    return args


def of_compile(key: str) -> bool:
    """Whether an entry of a config says how a network is compiled."""
    return key.startswith('model.compile')


def load_reference(text: str, device: str) -> nn.Module:
    """``'module:Class'``, sought in the working directory too, built without arguments.

    Raises:
        InputError: there is no such module or class, or it cannot be built so.
    """
    module, _, name = text.partition(':')
    sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), name)().to(device).eval()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f'--reference {text}: {error}; expected MODULE:CLASS, importable from here, built without arguments'
        ) from error


def plain_of(network: nn.Module, config: str, device: str) -> nn.Module:
    """The plain formulation, with the same settings and weights."""
    if type(network) not in PLAIN:
        raise InputError(
            f'{config}: no plain formulation of {type(network).__name__} is known; name one by --reference MODULE:CLASS'
        )
    plain = init_model(config, device=device).network
    plain.__class__ = PLAIN[type(network)]  # adds no attributes: only the forward pass differs
    plain.load_state_dict(network.state_dict())
    return plain


def memory_in_a_fresh_process(args: argparse.Namespace, config: str, row: dict) -> int:
    """Resident memory never shrinks back, so each figure needs its own process."""
    command = [sys.executable, __file__, config, '--only-memory', '--device', args.device]
    command += ['--sizes', row['size'], '--batches', str(row['batch'])]
    command += ['--precision', row['precision'], '--paths', row['path']]
    if args.threads:
        command += ['--threads', str(args.threads)]
    if args.train:
        command.append('--train')
    if args.cfg_options:
        command += ['--cfg-options', *(f'{key}={value}' for key, value in args.cfg_options.items())]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ['nothing was said'])[-1]
        raise InputError(f'{config}: memory could not be measured ({said}); --no-memory does without')
    return int(done.stdout.split()[-1])


def padded_size(network: nn.Module, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width that ``Derainer.restore`` pads an image to before the network."""
    return tuple(network.spec.padded_side(side) for side in shape)


def inputs(network: nn.Module, shape: tuple[int, int], batch: int, device: str) -> torch.Tensor:
    """Return random images of a size, padded to what the network takes."""
    torch.manual_seed(0)
    picture = torch.rand(batch, 3, *padded_size(network, shape), device=device)
    return picture.contiguous(memory_format=torch.channels_last)


def build(args: argparse.Namespace, config: str, path: str) -> Derainer:
    """A model that takes a path, of the same weights each time."""
    options = dict(args.cfg_options or {})
    if path == 'eager':
        options = {key: value for key, value in options.items() if not of_compile(key)}
    elif path == 'graphs':
        options = {key: value for key, value in options.items() if not of_compile(key)}
        options['model.compile'] = dict(mode='reduce-overhead', dynamic=False)
    elif not any(map(of_compile, options)):
        options['model.compile'] = True
    torch.manual_seed(0)
    model = init_model(config, args.checkpoint, args.device, options)
    if path == 'eager' and model.cfg.model.get('compile'):  # by the config itself
        model = init_model(config, args.checkpoint, args.device, options | {'model.compile': None})
    return model


def models(args: argparse.Namespace, config: str) -> tuple[Derainer, nn.Module]:
    """An eager model, and the reference for its network, or, with --train, a model around that.

    Raises:
        FileNotFoundError, InputError: one of them cannot be had, or the network does not take a size.
    """
    model = build(args, config, 'eager')
    network = model.network
    least = network.spec.min_size
    for height, width in args.sizes:
        if min(height, width) < least:
            raise InputError(f'--sizes {height}x{width}: {type(network).__name__} takes sides from {least} on')
    if args.train and not (model.losses and 'optim_wrapper' in model.cfg):
        raise InputError(f'{config}: --train needs a config that trains, with a loss and an optim_wrapper')
    if args.reference == 'eager':
        reference = build(args, config, 'eager').network
    elif args.reference:
        reference = load_reference(args.reference, args.device)
    else:
        reference = plain_of(network, config, args.device)
    if args.train:
        around = init_model(config, device=args.device)
        around.network = reference
        reference = around
    return model, reference


def call_of(args: argparse.Namespace, model: nn.Module, precision: str, plainly: bool = False) -> Call:
    """What is timed, of a model, or of a bare network without --train."""
    return (training_step if args.train else forward_pass)(model, precision, args.device, plainly)


def measure(args: argparse.Namespace, config: str, peaks: dict[str, float]) -> Iterator[dict]:
    """The rows of one network, one by one."""
    model, reference = models(args, config)
    network = model.network
    exact = forward_pass(network, 'fp32', args.device)
    of_reference = call_of(args, reference, 'fp32', plainly=True)
    taken = {path: model if path == 'eager' else build(args, config, path) for path in args.paths}
    ours = {
        (precision, path): call_of(args, m if args.train else m.network, precision)
        for precision in args.precision
        for path, m in taken.items()
    }
    for height, width in args.sizes:
        # A backward pass takes the products of the forward pass twice: for the inputs and for the weights.
        adds = multiply_adds(network, padded_size(network, (height, width))) * (3 if args.train else 1)
        for batch in args.batches if (height, width) == args.sizes[0] else args.batches[:1]:
            picture = inputs(network, (height, width), batch, args.device)
            calls = [partial(of_reference, picture.contiguous()), *(partial(call, picture) for call in ours.values())]
            reference_times, *our_times = milliseconds(calls, args.repeats, args.device)
            for ((precision, path), call), times in zip(ours.items(), our_times, strict=True):
                error = 0 if args.train else (call(picture) - exact(picture)).square().mean().item()
                row = dict(
                    network=type(network).__name__,
                    config=Path(config).stem,
                    size=f'{height}x{width}',
                    batch=batch,
                    precision=precision,
                    path=path,
                    of='training step' if args.train else 'forward pass',
                    least_ms=min(times),
                    median_ms=torch.tensor(times).median().item(),
                    reference_least_ms=min(reference_times),
                    reference_median_ms=torch.tensor(reference_times).median().item(),
                    ratio=torch.tensor(reference_times).median().item() / torch.tensor(times).median().item(),
                    peak_share=100 * batch * adds / (min(times) / 1000) / peaks[precision],
                    psnr=None if error == 0 else -10 * math.log10(error),
                    parameters=sum(p.numel() for p in network.parameters()),
                    multiply_adds_a_pixel=adds / (height * width),
                )
                of_pixels = 1024 * batch * height * width
                tensors = held_by_tensors(call, picture) if args.device == 'cpu' else None
                row['tensors_kb_a_pixel'] = None if tensors is None else tensors / of_pixels
                memory = None if args.no_memory else memory_in_a_fresh_process(args, config, row)
                row['memory_kb_a_pixel'] = None if memory is None else memory / of_pixels
                print(line(row), flush=True)
                yield row


def cells(row: dict) -> list[str]:
    digits = dict(least_ms=1, median_ms=1, ratio=2, peak_share=0, memory_kb_a_pixel=2, tensors_kb_a_pixel=2, psnr=1)
    return [
        '' if row[key] is None else f'{row[key]:.{digits[key]}f}' if key in digits else str(row[key]) for key in COLUMNS
    ]


def line(row: dict) -> str:
    return '  '.join(cell.rjust(14) for cell in cells(row))


def markdown(rows: list[dict], settings: dict) -> str:
    head = [title.format(reference=settings['reference']) for title in COLUMNS.values()]
    lines = [head, ['---'] * len(head), *(cells(row) for row in rows)]
    peak = ', '.join(f'{name} {2 * value / 1e9:.0f} GFLOP/s' for name, value in settings['peaks'].items())
    text = f'{settings["machine"]}, {settings["device"]}, {settings["threads"]} threads, torch {settings["torch"]}; '
    text += f'a {settings["of"]}; convolution peak: {peak}.\n\n'
    return text + '\n'.join(f'| {" | ".join(cells)} |' for cells in lines) + '\n'


def plot(rows: list[dict], out: Path, reference: str) -> None:
    """Milliseconds a picture against pixels (at the least batch) and against the batch (at the least size)."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2))

    def pixels(row: dict) -> int:
        height, width = size(row['size'])
        return height * width

    for axis, x_of, fixed in ((axes[0], pixels, lambda r: r['batch']), (axes[1], lambda r: r['batch'], pixels)):
        for number, name in enumerate(dict.fromkeys(row['config'] for row in rows)):
            kinds = dict.fromkeys((row['precision'], row['path']) for row in rows)
            for (precision, path), style in zip(kinds, cycle(('-', ':', '-.', (0, (5, 1, 1, 1))))):
                own = [r for r in rows if (r['config'], r['precision'], r['path']) == (name, precision, path)]
                if not own:
                    continue  # not measured yet
                own = sorted((r for r in own if fixed(r) == min(map(fixed, own))), key=x_of)
                x = [x_of(r) for r in own]
                label = f'{name}, {precision}' + ('' if path == 'eager' else f', {path}')
                y = [r['median_ms'] / r['batch'] for r in own]
                axis.plot(x, y, marker='o', linestyle=style, color=f'C{number}', label=label)
                if (precision, path) == next(iter(kinds)):
                    y = [r['reference_median_ms'] / r['batch'] for r in own]
                    axis.plot(x, y, 'x--', color=f'C{number}', alpha=0.5, label=f'{name}, {reference}')
        axis.set(xscale='log', yscale='log', ylabel='ms a picture')
        values = sorted({x_of(row) for row in rows})
        axis.set_xticks(values, [str(value) for value in values])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_xlabel('pixels')
    axes[1].set_xlabel('batch')
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    plt.close(figure)


def write(rows: list[dict], settings: dict, out: Path) -> None:
    """``benchmark.json``, ``benchmark.md`` and ``benchmark.png`` of the rows so far."""
    out.mkdir(parents=True, exist_ok=True)
    (out / 'benchmark.json').write_text(json.dumps(dict(settings=settings, rows=rows), indent=1), encoding='utf-8')
    (out / 'benchmark.md').write_text(markdown(rows, settings), encoding='utf-8')
    plot(rows, out / 'benchmark.png', settings['reference'])


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        if args.only_memory:
            model = build(args, args.configs[0], args.paths[0])
            call = call_of(args, model if args.train else model.network, args.precision[0])
            picture = inputs(model.network, args.sizes[0], args.batches[0], args.device)
            # What is set up once is no part of it: the optimizer's moments, whatever the size; or a compiled network.
            call(picture[..., :32, :32] if args.paths[0] == 'eager' else picture)
            print(peak_memory(call, picture, args.device))
            return 0
        if args.checkpoint and len(args.configs) > 1:
            raise InputError(f'--checkpoint belongs to one config, found {len(args.configs)}')
        peaks = {precision: convolution_peak(precision, args.device) for precision in args.precision}
        settings = dict(
            reference=args.reference or 'plain',
            machine=machine(),
            device=device_name(args.device),
            threads=torch.get_num_threads(),
            of='training step' if args.train else 'forward pass',
            torch=torch.__version__,
            mmderain=__version__,
            peaks=peaks,
        )
        head = [title.format(reference=settings['reference']) for title in COLUMNS.values()]
        print('  '.join(title.rjust(14) for title in head), flush=True)
        for config in args.configs:
            models(args, config)  # a wrong one is found before hours have gone into the others
        rows = []
        for row in (row for config in args.configs for row in measure(args, config, peaks)):
            rows.append(row)
            write(rows, settings, args.out)
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'\n{markdown(rows, settings)}\n{args.out}: benchmark.json, benchmark.md, benchmark.png')
    return 0


if __name__ == '__main__':
    sys.exit(main())
