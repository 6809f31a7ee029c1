"""Measure the speed and memory of networks, and compare the speed with the peak speed of the machine.

    python tools/benchmark.py configs/derain/sian_rain100h.py --precision fp32 bf16
    python tools/benchmark.py configs/derain/*_bsds.py --sizes 160x240 320x480 640x960 --batches 1 2 4
    python tools/benchmark.py configs/derain/*_bsds.py --train --sizes 64x64 --batches 4
    python tools/benchmark.py configs/derain/sian_rain100h.py --paths eager compiled --cpu-memory kept freed
    python tools/benchmark.py configs/derain/sian_rain100h.py --against main

The report has a row for each network, size, batch, precision, path and setting of the CPU memory. There are three
paths: eager runs the network itself, compiled uses torch.compile, and graphs uses torch.compile with CUDA graphs (mode
reduce-overhead). The CPU memory has two settings: kept runs inside keep_cpu_memory, as the commands of the project do;
freed runs without it. A row contains:

* the shortest and the median time of a forward pass in milliseconds; with --train, of a training step with the loss and
  the optimizer of the config (forward, backward, update);
* the time of a reference in float32, divided by the time of the network. Both run alternately in this process.
  --reference chooses the reference: plain is the plain formulation of the network (in tests/reference of a checkout),
  eager is the network itself, and MODULE:CLASS is another network, such as the code of the authors. The class is
  called without arguments, and the network must accept (N, 3, H, W);
* the speed as a share of the convolution peak of the machine, which the tool measures first with a 3x3 convolution of
  64 channels;
* the peak memory in addition to the weights: on a CPU the memory of tensors and the resident memory of the process, on
  a GPU the allocated memory;
* the PSNR of the result against the result in float32.

Without --checkpoint, the weights are random. This does not change the times. The tool writes benchmark.json,
benchmark.md and benchmark.png to --out.

With --against REF, the tool instead compares the speed of the working tree with the speed of the commit REF. It times
`restore` (with --train, a forward and backward pass) alternately in processes of the working tree and of REF. It prints
the median ratio of the times (working tree divided by REF) with its 95% interval, and writes against.json to --out. The
exit code is 1 if the upper end of an interval is above 1.03, because the working tree may then be more than 3% slower.
Pause all trainings first.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

from mmderain import __version__
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_cfg_options, checkpoint_file
from mmderain.engine.benchmark import Benchmark, is_compile_option
from mmderain.engine.machine import device_name, processor_name
from mmderain.engine.profiling import convolution_peak, parse_size
from mmderain.engine.tree_comparison import compare_trees
from mmderain.errors import InputError
from mmderain.models.derainer import PRECISIONS
from mmderain.visualization.benchmark_report import aligned, cells, markdown, titles, write_report

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    add = parser.add_argument
    add('configs', nargs='+', metavar='CONFIG', help='configs of derainers')
    add('--checkpoint', type=checkpoint_file, help='weights; with one CONFIG only')
    add('--sizes', nargs='+', type=parse_size, default=[(320, 480)], metavar='HxW', help='default: 320x480')
    text = 'batch sizes at the first image size; other sizes use the first of them (default: 1)'
    add('--batches', nargs='+', type=int, default=[1], metavar='N', help=text)
    add('--precision', nargs='+', default=['fp32'], choices=PRECISIONS, help='default: fp32')
    text = 'default: eager, or compiled if --cfg-options sets model.compile'
    add('--paths', nargs='+', choices=['eager', 'compiled', 'graphs'], help=text)
    add('--cpu-memory', nargs='+', default=['kept'], choices=['kept', 'freed'], help='default: kept')
    add('--train', action='store_true', help='measure training steps instead of forward passes')
    add_cfg_options(parser, 'model.network.with_cp=True')
    add('--device', default='cpu', help='default: cpu')
    add('--threads', type=int, help="default: torch's own choice")
    add('--repeats', type=int, default=5, help='number of timed passes (default: 5)')
    add('--reference', default='plain', help='plain, eager or MODULE:CLASS (default: plain)')
    text = 'do not measure resident memory. The measurement works only on Linux and starts a process for each row'
    add('--no-memory', dest='resident_memory', action='store_false', help=text)
    add('--against', metavar='REF', help='compare the working tree with this commit, tag or branch')
    add('--pairs', type=int, default=20, help='number of pairs of processes for --against, at least 6 (default: 20)')
    add('--out', type=Path, default=Path('work_dirs/benchmark'), help='default: %(default)s')
    args = parser.parse_args(argv)
    if not args.paths:
        compiled = any(is_compile_option(k) for k, v in (args.cfg_options or {}).items() if k != 'model.compile' or v)
        args.paths = ['compiled' if compiled else 'eager']
    return args


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Measure the networks, and write the report."""
    if args.threads:
        torch.set_num_threads(args.threads)
    benchmark = Benchmark(**{field.name: getattr(args, field.name) for field in dataclasses.fields(Benchmark)})
    if args.checkpoint and len(args.configs) > 1:
        raise InputError(
            f'--checkpoint needs exactly one config, found {len(args.configs)}; name one, or omit --checkpoint'
        )
    if args.against:
        return compare_trees(ROOT, args.against, args.configs, benchmark, args.pairs, args.out)
    peaks = {precision: convolution_peak(precision, args.device) for precision in args.precision}
    settings = dict(
        reference=args.reference,
        machine=processor_name(),
        device=device_name(args.device),
        threads=torch.get_num_threads(),
        of='training step' if args.train else 'forward pass',
        torch=torch.__version__,
        mmderain=__version__,
        peaks=peaks,
    )
    print(aligned(titles(settings['reference'])), flush=True)
    for config in args.configs:
        benchmark.models(config)  # a wrong config is reported before the other configs are measured for hours
    rows = []
    for row in (row for config in args.configs for row in benchmark.rows(config, peaks)):
        print(aligned(cells(row)), flush=True)
        rows.append(row)
        write_report(rows, settings, args.out)
    print(f'\n{markdown(rows, settings)}\n{args.out}: benchmark.json, benchmark.md, benchmark.png')


if __name__ == '__main__':
    sys.exit(main())
