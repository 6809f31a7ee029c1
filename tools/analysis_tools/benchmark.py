"""How fast networks are, how much memory they take, and how far that is from what the machine can do.

    python tools/analysis_tools/benchmark.py configs/derain/sian_rain100h.py --precision fp32 bf16
    python tools/analysis_tools/benchmark.py configs/derain/*_bsds.py --sizes 160x240 320x480 640x960 --batches 1 2 4

For each network, size, batch and precision: milliseconds of a forward pass (least and median), the ratio to the plain
formulation of the network in float32, run by turns with it in this process on the same threads, the share of the
machine's convolution peak (a 3x3 convolution of 64 channels, measured first), peak memory above the weights, and the
PSNR against float32. --reference MODULE:CLASS puts another network in the place of the plain formulation, for
example the authors' own: it is built without arguments and must take (N, 3, H, W). Without --checkpoint the weights
are random, which changes no time. benchmark.json, benchmark.md and benchmark.png go to --out.
"""

import argparse
import importlib
import json
import math
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from get_complexity import multiply_adds
from plain_networks import PLAIN
from torch import nn

from mmderain import __version__
from mmderain.apis import init_model
from mmderain.errors import InputError
from mmderain.models.derainer import PRECISIONS

COLUMNS = {
    'config': 'config',
    'size': 'size',
    'batch': 'batch',
    'precision': 'precision',
    'least_ms': 'least ms',
    'median_ms': 'median ms',
    'ratio': 'times as fast as {reference}',
    'peak_share': '% of conv peak',
    'memory_kb_a_pixel': 'peak KB a pixel',
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
    parser.add_argument('--batches', nargs='+', type=int, default=[1], metavar='N', help='default: 1')
    parser.add_argument('--precision', nargs='+', default=['fp32'], choices=PRECISIONS, help='default: fp32')
    parser.add_argument('--device', default='cpu', help='default: cpu')
    parser.add_argument('--threads', type=int, help="default: torch's own choice")
    parser.add_argument('--repeats', type=int, default=5, help='timed passes of each (default: 5)')
    parser.add_argument('--reference', metavar='MODULE:CLASS', help='default: the plain formulation of the network')
    parser.add_argument(
        '--no-memory', action='store_true', help='do not measure memory (Linux only; a process for each row)'
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark'), help='default: %(default)s')
    parser.add_argument('--only-memory', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def size(text: str) -> tuple[int, int]:
    """``'320x480'`` -> (320, 480)."""
    height, _, width = text.partition('x')
    if not (height.isdecimal() and width.isdecimal() and int(height) > 0 and int(width) > 0):
        raise argparse.ArgumentTypeError(f'expected HEIGHTxWIDTH such as 320x480, found {text!r}')
    return int(height), int(width)


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


def milliseconds(calls: list[Callable[[], object]], repeats: int, device: str) -> list[list[float]]:
    """Of each call, run by turns, after one pass to warm up."""
    times = [[] for _ in calls]
    for turn in range(repeats + 1):
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if device != 'cpu':
                torch.cuda.synchronize(device)
            if turn:
                own.append(1000 * (time.perf_counter() - start))
    return times


def convolution_peak(precision: str, device: str) -> float:
    """Multiply-adds a second of a 3x3 convolution, 64 to 64 channels, channels_last: the best of a few passes."""
    dtype = PRECISIONS[precision]
    conv = nn.Conv2d(64, 64, 3, padding=1).to(device, dtype, memory_format=torch.channels_last)
    x = torch.rand(1, 64, 256, 256, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        (times,) = milliseconds([lambda: conv(x)], 20, device)
    return 64 * 64 * 9 * 256 * 256 / (min(times) / 1000)


def lower(precision: str, device: str) -> object:
    """The context that a derainer of that precision computes in."""
    if precision == 'fp32':
        return nullcontext()
    return torch.autocast(torch.device(device).type, PRECISIONS[precision])


def peak_memory(network: nn.Module, picture: torch.Tensor, precision: str, device: str) -> int:
    """Bytes above what was there before a forward pass: allocated on a GPU, resident on a CPU (of this process)."""
    with torch.inference_mode(), lower(precision, device):
        if device != 'cpu':
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            network(picture)
            return torch.cuda.max_memory_allocated(device) - before
        network(picture[..., :32, :32])  # what is set up once, whatever the size
        Path('/proc/self/clear_refs').write_text('5')  # the peak so far is forgotten
        before = resident('VmRSS')
        network(picture)
        return resident('VmHWM') - before


def resident(which: str) -> int:
    """Bytes that this process holds (``VmRSS``) or has held at most (``VmHWM``). Linux only."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(which))


def memory_in_a_fresh_process(args: argparse.Namespace, config: str, row: dict) -> int:
    """Resident memory never shrinks back, so each figure needs its own process."""
    command = [sys.executable, __file__, config, '--only-memory', '--device', args.device]
    command += ['--sizes', row['size'], '--batches', str(row['batch']), '--precision', row['precision']]
    if args.threads:
        command += ['--threads', str(args.threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ['nothing was said'])[-1]
        raise InputError(f'{config}: memory could not be measured ({said}); --no-memory does without')
    return int(done.stdout.split()[-1])


def inputs(shape: tuple[int, int], batch: int, device: str) -> torch.Tensor:
    torch.manual_seed(0)
    picture = torch.rand(batch, 3, *shape, device=device)
    return picture.contiguous(memory_format=torch.channels_last)


def networks(args: argparse.Namespace, config: str) -> tuple[nn.Module, nn.Module]:
    """A network and its reference.

    Raises:
        FileNotFoundError, InputError: one of them cannot be had, or the network does not take a size.
    """
    network = init_model(config, args.checkpoint, args.device).network
    least, multiple = (getattr(network, name, 1) for name in ('min_size', 'size_multiple'))
    for height, width in args.sizes:
        if min(height, width) < least or height % multiple or width % multiple:
            raise InputError(
                f'--sizes {height}x{width}: {type(network).__name__} takes sides from {least} on that are multiples of '
                f'{multiple}'
            )
    if args.reference:
        return network, load_reference(args.reference, args.device)
    return network, plain_of(network, config, args.device)


def measure(args: argparse.Namespace, config: str, peaks: dict[str, float]) -> Iterator[dict]:
    """The rows of one network, one by one."""
    network, reference = networks(args, config)
    for height, width in args.sizes:
        adds = multiply_adds(network, (height, width))
        for batch in args.batches:
            picture = inputs((height, width), batch, args.device)

            def fast(precision: str, picture: torch.Tensor = picture) -> torch.Tensor:
                with torch.inference_mode(), lower(precision, args.device):
                    return network(picture)[-1].float()

            def plain(picture: torch.Tensor = picture) -> object:
                with torch.inference_mode():
                    return reference(picture.contiguous())

            calls = [plain, *(lambda p=p: fast(p) for p in args.precision)]
            of_plain, *of_ours = milliseconds(calls, args.repeats, args.device)
            exact = fast('fp32')
            for precision, times in zip(args.precision, of_ours, strict=True):
                error = (fast(precision) - exact).square().mean().item()
                row = dict(
                    network=type(network).__name__,
                    config=Path(config).stem,
                    size=f'{height}x{width}',
                    batch=batch,
                    precision=precision,
                    least_ms=min(times),
                    median_ms=torch.tensor(times).median().item(),
                    reference_least_ms=min(of_plain),
                    reference_median_ms=torch.tensor(of_plain).median().item(),
                    ratio=torch.tensor(of_plain).median().item() / torch.tensor(times).median().item(),
                    peak_share=100 * batch * adds / (min(times) / 1000) / peaks[precision],
                    psnr=None if error == 0 else -10 * math.log10(error),
                    parameters=sum(p.numel() for p in network.parameters()),
                    multiply_adds_a_pixel=adds / (height * width),
                )
                memory = None if args.no_memory else memory_in_a_fresh_process(args, config, row)
                row['memory_kb_a_pixel'] = None if memory is None else memory / 1024 / (batch * height * width)
                print(line(row), flush=True)
                yield row


def cells(row: dict) -> list[str]:
    digits = dict(least_ms=1, median_ms=1, ratio=2, peak_share=0, memory_kb_a_pixel=2, psnr=1)
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
    text += f'convolution peak: {peak}.\n\n'
    return text + '\n'.join(f'| {" | ".join(cells)} |' for cells in lines) + '\n'


def plot(rows: list[dict], path: Path, reference: str) -> None:
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
            for precision, style in zip(dict.fromkeys(row['precision'] for row in rows), ('-', ':', '-.')):
                own = [r for r in rows if (r['config'], r['precision']) == (name, precision)]
                own = sorted((r for r in own if fixed(r) == min(map(fixed, own))), key=x_of)
                x = [x_of(r) for r in own]
                label = f'{name}, {precision}'
                axis.plot(x, [r['median_ms'] / r['batch'] for r in own], f'o{style}', color=f'C{number}', label=label)
                if precision == own[0]['precision'] == rows[0]['precision']:
                    y = [r['reference_median_ms'] / r['batch'] for r in own]
                    axis.plot(x, y, 'x--', color=f'C{number}', alpha=0.5, label=f'{name}, {reference}')
        axis.set(xscale='log', yscale='log', ylabel='ms a picture')
        axis.grid(alpha=0.3)
    axes[0].set_xlabel('pixels')
    axes[1].set_xlabel('batch')
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
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
            network = init_model(args.configs[0], device=args.device).network
            picture = inputs(args.sizes[0], args.batches[0], args.device)
            print(peak_memory(network, picture, args.precision[0], args.device))
            return 0
        if args.checkpoint and len(args.configs) > 1:
            raise InputError(f'--checkpoint belongs to one config, found {len(args.configs)}')
        peaks = {precision: convolution_peak(precision, args.device) for precision in args.precision}
        settings = dict(
            reference=args.reference or 'plain',
            machine=machine(),
            device=device_name(args.device),
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            mmderain=__version__,
            peaks=peaks,
        )
        head = [title.format(reference=settings['reference']) for title in COLUMNS.values()]
        print('  '.join(title.rjust(14) for title in head), flush=True)
        for config in args.configs:
            networks(args, config)  # a wrong one is found before hours have gone into the others
        rows = []
        for row in (row for config in args.configs for row in measure(args, config, peaks)):
            rows.append(row)
            write(rows, settings, args.out)
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'\n{markdown(rows, settings)}\n{args.out}: benchmark.json, benchmark.md, benchmark.png')
    return 0


def device_name(device: str) -> str:
    """With what its convolutions do to float32, where that is not what the name says."""
    if device == 'cpu':
        return 'cpu'
    return torch.cuda.get_device_name(device) + (', fp32 as TF32' if torch.backends.cudnn.allow_tf32 else '')


def machine() -> str:
    """The processor's name, as Linux gives it."""
    info = Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [x.partition(':')[2].strip() for x in lines if x.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == '__main__':
    sys.exit(main())
