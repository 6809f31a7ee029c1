"""Measure whether the steps of a training wait for their data.

    python tools/benchmark_feeding.py configs/derain/sian_bsds.py --workers 0 1 2

For each number of loader processes, the tool measures how many images all loader processes together deliver in a
second, while no training runs. The tool also measures the time of a training step on one of the loaded batches.

From these two times, it computes how long a step waits. Loader processes prepare the next batches during a step.
Therefore a step waits only if it takes less time than the loader processes need to deliver a batch. Without loader
processes (0), each step waits until its batch is loaded. If the model runs on the CPU, the step and the loader
processes share the cores, so that the real wait can be longer.

The tool writes feeding.json, feeding.md and feeding.png to --out.
"""

import argparse
import sys
from pathlib import Path

from mmderain.cli.command import CommandParser, command
from mmderain.engine.config import prepare_config, require_data
from mmderain.engine.feeding import markdown, measure_feeding, write_report
from mmderain.errors import InputError
from mmderain.io.config import config_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', metavar='CONFIG', help='config of a derainer; its training data set is loaded')
    parser.add_argument(
        '--workers',
        nargs='+',
        type=int,
        default=[0, 1, 2],
        metavar='N',
        help='numbers of loader processes to measure, one after another (default: 0 1 2)',
    )
    parser.add_argument(
        '--batches',
        type=int,
        default=20,
        metavar='N',
        help='number of timed batches for each value of --workers (default: 20)',
    )
    parser.add_argument(
        '--steps',
        type=int,
        default=5,
        metavar='N',
        help='number of timed training steps; the shortest time counts (default: 5)',
    )
    parser.add_argument(
        '--device', default='cpu', help='device of the training steps, such as cpu or cuda:0 (default: cpu)'
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/benchmark'),
        metavar='DIR',
        help='folder for the written files (default: %(default)s)',
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Measure the loader and a training step, and write the report."""
    cfg = prepare_config(args.config)
    if 'train_dataloader' not in cfg:
        raise InputError(f'{args.config}: has no train_dataloader; a config that trains is expected')
    require_data(cfg, 'train_dataloader')
    with config_errors(args.config):
        settings, rows = measure_feeding(cfg, args.workers, args.batches, args.steps, args.device)
    write_report(settings, rows, args.out)
    print(f'{markdown(settings, rows)}\n{args.out}: feeding.json, feeding.md, feeding.png')


if __name__ == '__main__':
    sys.exit(main())
