"""Measure whether training steps must wait for their data.

    python tools/benchmark_feeding.py configs/derain/sian_bsds.py --workers 0 1 2

For each number of loader processes, the tool measures how many images all loader processes together deliver in a
second. No training runs during this measurement. The tool also measures the time of a training step on one of the
loaded batches.

From these two values, the tool computes how long a step waits for its batch. Loader processes prepare the next batches
during a step. Therefore a step must wait only if loading a batch takes longer than a step. Without loader processes
(0), each step waits until its batch is loaded. If the model runs on the CPU, the training and the loader processes
share the cores. The real waiting time can then be longer than the computed one.

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
        raise InputError(f'{args.config} has no train_dataloader; expected the config of a training')
    require_data(cfg, 'train_dataloader')
    with config_errors(args.config):
        settings, rows = measure_feeding(cfg, args.workers, args.batches, args.steps, args.device)
    write_report(settings, rows, args.out)
    print(f'{markdown(settings, rows)}\n{args.out}: feeding.json, feeding.md, feeding.png')


if __name__ == '__main__':
    sys.exit(main())
