"""Measure how fast networks are, how much memory they take, and how far that is from what the machine can do.

    python tools/benchmark.py configs/derain/sian_rain100h.py --precision fp32 bf16
    python tools/benchmark.py configs/derain/*_bsds.py --sizes 160x240 320x480 640x960 --batches 1 2 4
    python tools/benchmark.py configs/derain/*_bsds.py --train --sizes 64x64 --batches 4
    python tools/benchmark.py configs/derain/sian_rain100h.py --paths eager compiled --cpu-memory kept freed
    python tools/benchmark.py configs/derain/sian_rain100h.py --against main

A row is measured for each network, size, batch, precision, path (eager: as it is; compiled: by torch.compile; graphs:
by torch.compile with CUDA graphs, mode reduce-overhead) and setting of the CPU's memory (kept: inside keep_cpu_memory,
as the commands of the project run a network; freed: as Python code runs it that does not switch that on). It holds:

* milliseconds of a forward pass, least and median; with --train of a training step with the loss and the optimizer of
  the config (forward, backward, update);
* the ratio to a reference in float32, which takes turns with the network in this process on the same threads: the plain
  formulation (in tests/reference of a checkout), the network itself (eager), or another network, for example the
  authors' own: MODULE:CLASS is built without arguments and must take (N, 3, H, W);
* the share of the machine's convolution peak (a 3x3 convolution of 64 channels, measured first);
* peak memory above the weights: what tensors hold (on a CPU), and what is resident or, on a GPU, allocated;
* the PSNR of the result against float32.

Without --checkpoint the weights are random, which changes no time. benchmark.json, .md and .png go to --out.

--against REF measures something else: whether the checkout is slower than one of its commits. `restore` (with --train:
forward and backward pass) is timed in processes that take turns in the working tree and in REF. The median ratio of the
times and its 95% interval are printed and written to against.json in --out. The exit code is 1 if the upper end of an
interval is above 1.03, which is 3% slower. Pause trainings before that.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

from mmderain import __version__
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_cfg_options
from mmderain.engine.benchmark import Benchmark, is_compile_option
from mmderain.engine.profiling import convolution_peak, device_name, parse_size, processor_name
from mmderain.engine.tree_comparison import compare_trees
from mmderain.errors import InputError
from mmderain.models.derainer import PRECISIONS
from mmderain.visualization.benchmark_report import aligned, cells, markdown, titles, write_report

ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = CommandParser(__doc__)
    add = parser.add_argument
    add('configs', nargs='+', metavar='CONFIG', help='configs of derainers')
    add('--checkpoint', help='weights; with one CONFIG only')
    add('--sizes', nargs='+', type=parse_size, default=[(320, 480)], metavar='HxW', help='default: 320x480')
    text = 'at the first size; the other sizes take the first of these (default: 1)'
    add('--batches', nargs='+', type=int, default=[1], metavar='N', help=text)
    add('--precision', nargs='+', default=['fp32'], choices=PRECISIONS, help='default: fp32')
    text = 'default: eager, or compiled if --cfg-options has a model.compile, which says how'
    add('--paths', nargs='+', choices=['eager', 'compiled', 'graphs'], help=text)
    add('--cpu-memory', nargs='+', default=['kept'], choices=['kept', 'freed'], help='default: kept')
    add('--train', action='store_true', help='measure training steps instead of forward passes')
    add_cfg_options(parser, 'model.network.with_cp=True')
    add('--device', default='cpu', help='default: cpu')
    add('--threads', type=int, help="default: torch's own choice")
    add('--repeats', type=int, default=5, help='timed passes of each (default: 5)')
    add('--reference', default='plain', help='plain (the default), eager or MODULE:CLASS')
    text = 'do not measure resident memory (Linux only; takes a process for each row)'
    add('--no-memory', dest='resident_memory', action='store_false', help=text)
    add('--against', metavar='REF', help='compare the working tree with this commit, tag or branch')
    add('--pairs', type=int, default=20, help='pairs of processes with --against (default: 20; at least 6)')
    add('--out', type=Path, default=Path('work_dirs/benchmark'), help='default: %(default)s')
    args = parser.parse_args(argv)
    if not args.paths:
        compiled = any(is_compile_option(k) for k, v in (args.cfg_options or {}).items() if k != 'model.compile' or v)
        args.paths = ['compiled' if compiled else 'eager']
    return args


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    if args.threads:
        torch.set_num_threads(args.threads)
    benchmark = Benchmark(**{field.name: getattr(args, field.name) for field in dataclasses.fields(Benchmark)})
    if args.checkpoint and len(args.configs) > 1:
        raise InputError(f'--checkpoint belongs to one config, found {len(args.configs)}')
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
        benchmark.models(config)  # a wrong config is found before hours have gone into the others
    rows = []
    for row in (row for config in args.configs for row in benchmark.rows(config, peaks)):
        print(aligned(cells(row)), flush=True)
        rows.append(row)
        write_report(rows, settings, args.out)
    print(f'\n{markdown(rows, settings)}\n{args.out}: benchmark.json, benchmark.md, benchmark.png')


if __name__ == '__main__':
    sys.exit(main())
