"""Measure the run time and the memory of networks.

    python tools/benchmark.py configs/derain/sian_rain100h.py --precision fp32 bf16
    python tools/benchmark.py configs/derain/*_bsds.py --sizes 160x240 320x480 640x960 --batches 1 2 4
    python tools/benchmark.py configs/derain/*_bsds.py --train --sizes 64x64 --batches 4
    python tools/benchmark.py configs/derain/sian_rain100h.py --paths eager compiled --cpu-memory kept freed
    python tools/benchmark.py configs/derain/sian_rain100h.py --against main

The report has a row for each measured combination of config, image size, batch size, precision, path and setting of the
CPU memory.

A path is a way to run the network. eager runs it without compilation, compiled uses torch.compile, and graphs uses
torch.compile with CUDA graphs (mode reduce-overhead).

The CPU memory has two settings. With kept, the process keeps the memory that a pass frees, and uses this memory again
in the next pass. The commands of mmderain use this setting. With freed, the process returns the memory to the system.

A row contains:

* the shortest and the median time of a forward pass in milliseconds. With --train, these are the times of a training
  step (forward pass, backward pass and update of the weights) with the loss and the optimizer of the config;
* the median time of a reference network, divided by the median time of the measured network. A value above 1 means that
  the measured network is faster. The reference network computes in float32, with the setting freed. The passes of the
  reference network and of the measured network alternate;
* the number of multiply-adds per second, in percent of the peak of the machine. The tool measures this peak at its
  start, with a 3x3 convolution from 64 to 64 channels;
* the peak memory during a pass in KB per pixel, without the weights. On a CPU, there are two values: the memory of all
  tensors, and the increase of the resident memory of the process. On a GPU, it is the memory that torch allocates;
* the PSNR in dB between the result of this row and the result of the eager network in float32. With --train, there is
  no PSNR.

--reference chooses the reference network:

* plain: a slow implementation that follows the formulas of the paper. It exists only in a git checkout, in
  tests/reference;
* eager: the network itself, without compilation;
* MODULE:CLASS: another network, such as the code of the authors. The tool builds CLASS without arguments. The network
  must accept a tensor (N, 3, H, W).

Without --checkpoint, the weights are random. Random weights do not change the times. The tool writes benchmark.json,
benchmark.md and benchmark.png to --out.

With --against REF, the tool makes another measurement: it compares the run time of the code in the working tree with
the run time of the code in the commit REF. It times `Derainer.restore`, or with --train a forward and a backward pass.
It does this in pairs of processes: one process uses the working tree, the other process uses REF. For each pair, the
tool divides the time of the working tree by the time of REF. It prints the median of these ratios with its 95%
confidence interval, and writes all times to against.json in --out. A ratio of 1.03 means that the working tree is 3%
slower. If the upper end of an interval is above 1.03, the exit status is 1. Before this measurement, pause all
trainings on the machine.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

from mmderain import __version__
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_cfg_options, add_trust_option, checkpoint_file
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
    add_trust_option(parser)
    text = 'checkpoint of the derainer; allowed only with one CONFIG (default: random weights)'
    add('--checkpoint', type=checkpoint_file, metavar='FILE', help=text)
    text = 'image sizes to measure: height and width in pixels (default: 320x480)'
    add('--sizes', nargs='+', type=parse_size, default=[(320, 480)], metavar='HxW', help=text)
    text = (
        'batch sizes to measure. The first of the --sizes is measured with all batch sizes, the other --sizes only '
        'with the first batch size (default: 1)'
    )
    add('--batches', nargs='+', type=int, default=[1], metavar='N', help=text)
    text = 'number formats to measure (default: fp32)'
    add('--precision', nargs='+', default=['fp32'], choices=PRECISIONS, help=text)
    text = 'paths to measure, see below (default: eager, or compiled if --cfg-options sets model.compile)'
    add('--paths', nargs='+', choices=['eager', 'compiled', 'graphs'], help=text)
    text = 'settings of the CPU memory to measure, see below (default: kept)'
    add('--cpu-memory', nargs='+', default=['kept'], choices=['kept', 'freed'], help=text)
    add('--train', action='store_true', help='measure training steps (default: measure forward passes)')
    add_cfg_options(parser, 'model.network.with_cp=True')
    add('--device', default='cpu', help='device of the networks, such as cpu or cuda:0 (default: cpu)')
    add('--threads', type=int, metavar='N', help='number of CPU threads (default: the number that torch chooses)')
    add('--repeats', type=int, default=5, metavar='N', help='number of timed passes for each row (default: 5)')
    text = 'reference network: plain, eager or MODULE:CLASS, see below (default: plain)'
    add('--reference', default='plain', help=text)
    text = (
        'do not measure the resident memory or, on a GPU, the allocated memory. This measurement starts a new process '
        'for each row. The measurement of the resident memory works only on Linux (default: measure the memory)'
    )
    add('--no-memory', dest='resident_memory', action='store_false', help=text)
    text = 'compare the working tree with this commit, tag or branch (default: no comparison)'
    add('--against', metavar='REF', help=text)
    text = 'number of pairs of processes for --against, at least 6 (default: 20)'
    add('--pairs', type=int, default=20, metavar='N', help=text)
    text = 'folder for the written files (default: %(default)s)'
    add('--out', type=Path, default=Path('work_dirs/benchmark'), metavar='DIR', help=text)
    args = parser.parse_args(argv)
    if not args.paths:
        compiled = any(is_compile_option(k) for k, v in (args.cfg_options or {}).items() if k != 'model.compile' or v)
        args.paths = ['compiled' if compiled else 'eager']
    return args


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Measure the networks and write the report, or compare the working tree with a commit."""
    if args.threads:
        torch.set_num_threads(args.threads)
    benchmark = Benchmark(**{field.name: getattr(args, field.name) for field in dataclasses.fields(Benchmark)})
    if args.checkpoint and len(args.configs) > 1:
        raise InputError(
            f'--checkpoint needs exactly one CONFIG, found {len(args.configs)}; name one CONFIG, or omit --checkpoint'
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
