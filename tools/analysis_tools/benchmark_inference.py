"""Measure how many images per second `DerainInferencer` derains, and compare this with two other loops.

    python tools/analysis_tools/benchmark_inference.py
    python tools/analysis_tools/benchmark_inference.py --models sian --sizes 320x480 --batch-sizes 1 --seconds 3
    python tools/analysis_tools/benchmark_inference.py --memory 20000

For each model, image size and file format, the tool measures:

* network: the network alone, on a batch that is already in the memory. This is the limit;
* sequential: read, derain and write one batch after the other in one thread;
* pipeline N: `DerainInferencer.stream` with N worker threads;
* processes 1 and processes 2: one or two processes with one CPU thread each, which divide the inputs.

Each round measures all of them. The tool prints the median rate in images per second and the median CPU time of this
process. It also computes ratios of the rates in each round, and prints their medians. A slow round therefore does not
change the ratios. The first of the --batch-sizes is used for the first of the --sizes, and so on.

Each of these options makes another measurement. --memory and --differences use the first of the --sizes:

* --memory N derains N images, and prints the resident memory of the process;
* --differences N derains N images in batches with all threads, and again one by one with one thread. The tool prints
  the share of the values (R, G and B of all pixels) that differ, and the largest difference;
* --resume N writes a log of N finished images, and measures the time until a run can continue from this log.

The tool writes the results to --out. Before the measurement, stop all other programs that use the processor.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from inference_loops import (
    ROOT,
    make_images,
    measure_differences,
    measure_memory,
    measure_resume,
    run_network,
    run_pipeline,
    run_sequential,
)

from mmderain.apis import DerainInferencer
from mmderain.apis.shards import parse_shard
from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import positive_int
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.engine.machine import device_name, processor_name
from mmderain.engine.profiling import parse_size
from mmderain.errors import InputError
from mmderain.io import atomic_write

COMMAND = 'tools/analysis_tools/benchmark_inference.py'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    add = parser.add_argument
    add(
        '--models',
        nargs='+',
        default=['sian', 'nafnet'],
        metavar='MODEL',
        help='names of models (default: sian nafnet)',
    )
    text = 'image sizes: height and width in pixels (default: 128x128 320x480)'
    add('--sizes', nargs='+', type=parse_size, default=[(128, 128), (320, 480)], metavar='HxW', help=text)
    text = 'batch size for each of the --sizes (default: 16 1)'
    add('--batch-sizes', nargs='+', type=positive_int, default=[16, 1], metavar='N', help=text)
    add('--formats', nargs='+', choices=['png', 'jpg'], default=['png', 'jpg'], help='file formats (default: png jpg)')
    text = 'numbers of worker threads of the pipeline (default: 1 4)'
    add('--workers', nargs='+', type=positive_int, default=[1, 4], metavar='N', help=text)
    text = 'approximate duration of one measurement in seconds (default: 10)'
    add('--seconds', type=positive_int, default=10, metavar='N', help=text)
    add('--rounds', type=positive_int, default=5, metavar='N', help='number of rounds (default: 5)')
    add('--device', default='cpu', help='device of the networks, such as cpu or cuda:0 (default: cpu)')
    text = 'number format of the networks (default: fp32)'
    add('--precision', choices=['fp32', 'bf16', 'fp16'], default='fp32', help=text)
    add('--no-processes', dest='processes', action='store_false', help='do not measure one and two processes')
    add('--memory', type=positive_int, metavar='N', help='measure the resident memory while N images are derained')
    add('--differences', type=positive_int, metavar='N', help='compare N images with those of --deterministic')
    add('--resume', type=positive_int, metavar='N', help='measure the time to continue after N images')
    text = 'file for the results (default: inference_NAME.json in docs/en/reports; NAME depends on the measurement)'
    add('--out', type=Path, metavar='FILE', help=text)
    # The tool starts itself with these arguments to measure one part of the inputs in a process of its own.
    add('--part', help=argparse.SUPPRESS)
    add('--folder', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if len(args.batch_sizes) != len(args.sizes):
        parser.error(f'--batch-sizes: found {len(args.batch_sizes)} numbers for {len(args.sizes)} --sizes')
    return args


def run_processes(processes: list[subprocess.Popen]) -> None:
    """Make processes derain their parts of the inputs, and wait until all have finished.

    Each process waits for a line on its standard input before it starts.
    """
    for process in processes:
        print(file=process.stdin, flush=True)
    for process in processes:
        if process.stdout is None or process.stdout.readline().strip() != 'done':
            raise InputError('a process of the measurement ended with an error; its output above shows the reason')


def serve_part(args: argparse.Namespace) -> None:
    """Derain one part of the inputs for each line on standard input. This is the task of a process of the tool."""
    torch.set_num_threads(1)
    inferencer = DerainInferencer(args.models[0], device=args.device, precision=args.precision)
    for _ in sys.stdin:
        out = args.folder.with_name('out')
        run_pipeline(inferencer, args.folder, out, args.batch_sizes[0], args.workers[0], parse_shard(args.part))
        print('done', flush=True)


def start_part(args: argparse.Namespace, model: str, folder: Path, batch_size: int, part: str) -> subprocess.Popen:
    """Start a process that derains one part of the inputs."""
    words = [sys.executable, __file__, '--models', model, '--folder', folder, '--part', part, '--device', args.device]
    words += ['--precision', args.precision]
    words += ['--sizes', '1x1', '--batch-sizes', batch_size, '--workers', args.workers[-1]]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return subprocess.Popen([str(word) for word in words], text=True, **pipes)


def time_run(run: Callable[[], None], count: int) -> tuple[float, float]:
    """Return the rate in images per second, and the CPU time of this process per image in seconds."""
    start, cpu_start = time.perf_counter(), time.process_time()
    run()
    return count / (time.perf_counter() - start), (time.process_time() - cpu_start) / count


def measure_case(
    args: argparse.Namespace,
    inferencer: DerainInferencer,
    model: str,
    size: tuple[int, int],
    batch_size: int,
    suffix: str,
) -> dict:
    """Measure one model with one image size and one file format.

    Returns:
        The settings, and medians over the rounds: rates in images per second, seconds of CPU time per image, and ratios
        of the rates.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder, out = Path(temporary, 'in'), Path(temporary, 'out')
        batch = torch.rand(batch_size, 3, *size, device=args.device)
        run_network(inferencer, batch, batch_size)
        rate, _ = time_run(lambda: run_network(inferencer, batch, batch_size), batch_size)
        count = max(4, round(args.seconds * rate / batch_size)) * batch_size
        make_images(folder, count, size, suffix)
        runs = {
            'network': lambda: run_network(inferencer, batch, count),
            'sequential': lambda: run_sequential(inferencer, folder, out, batch_size),
        }
        for workers in args.workers:
            runs[f'pipeline {workers}'] = lambda n=workers: run_pipeline(inferencer, folder, out, batch_size, n)
        processes = []
        if args.processes:
            processes = [start_part(args, model, folder, batch_size, part) for part in ('1/1', '1/2', '2/2')]
            runs['processes 1'] = lambda: run_processes(processes[:1])
            runs['processes 2'] = lambda: run_processes(processes[1:])
        try:
            for name in ('processes 1', 'processes 2'):
                if name in runs:
                    runs[name]()  # the first call of a process is slower
            measured = [{name: time_run(run, count) for name, run in runs.items()} for _ in range(args.rounds)]
        finally:
            for process in processes:
                process.communicate()
    rounds = [{name: rate for name, (rate, _) in row.items()} for row in measured]
    cpu = {name: statistics.median(row[name][1] for row in measured) for name in runs if 'processes' not in name}
    rates = {name: statistics.median(row[name] for row in rounds) for name in runs}
    pairs = [(f'pipeline {n}', other) for n in args.workers for other in ('network', 'sequential')]
    pairs += [('processes 2', 'processes 1')] if args.processes else []
    ratios = {f'{a} / {b}': statistics.median(row[a] / row[b] for row in rounds) for a, b in pairs}
    # Share of the sequential loop that is not the network: reading, conversion and writing.
    ratios['files / sequential'] = statistics.median(1 - row['sequential'] / row['network'] for row in rounds)
    case = dict(model=model, size='{}x{}'.format(*size), batch_size=batch_size, format=suffix, images=count)
    return dict(**case, rates=rates, cpu_seconds=cpu, ratios=ratios, rounds=rounds)


@command(parse_args)
@keep_cpu_memory()  # as `mmderain derain` does
def main(args: argparse.Namespace) -> None:
    """Measure all cases, print them, and write the report."""
    if args.part:
        serve_part(args)
        return
    report = dict(machine=processor_name(), device=device_name(args.device), threads=torch.get_num_threads())
    report |= dict(
        torch=torch.__version__, command=f'python tools/analysis_tools/{Path(__file__).name} ' + ' '.join(sys.argv[1:])
    )
    names = [name for name in ('memory', 'differences', 'resume') if getattr(args, name)] or ['benchmark']
    out = args.out or ROOT / f'docs/en/reports/inference_{names[0]}.json'
    if args.memory:
        report |= measure_memory(args)
    elif args.differences:
        report |= measure_differences(args)
    elif args.resume:
        report |= measure_resume(args.resume)
    else:
        report['cases'] = []
        for model in args.models:
            inferencer = DerainInferencer(model, device=args.device, precision=args.precision)
            for (size, batch_size), suffix in itertools.product(zip(args.sizes, args.batch_sizes), args.formats):
                case = measure_case(args, inferencer, model, size, batch_size, suffix)
                report['cases'].append(case)
                print(f'{model} {case["size"]} batch {batch_size} {suffix}, {case["images"]} images')
                for name, rate in case['rates'].items():
                    cpu = case['cpu_seconds'].get(name)
                    print(f'  {name:16} {rate:8.2f} images/s' + (f'  {1000 * cpu:8.2f} ms CPU time' if cpu else ''))
                print(*(f'  {name:28} {ratio:6.3f}' for name, ratio in case['ratios'].items()), sep='\n', flush=True)
    with atomic_write(out) as part:
        part.write_text(json.dumps(report, indent=1) + '\n')
    print(out)


if __name__ == '__main__':
    sys.exit(main())
