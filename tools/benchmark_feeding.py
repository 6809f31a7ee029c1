"""Measure whether training steps wait for their data.

    python tools/benchmark_feeding.py configs/derain/sian_bsds.py --workers 0 1 2

For each number of loader processes, the tool measures how many images a second the loader delivers (load, crop, draw
rain, pack) while nothing else runs. It also measures the time of a training step of the config's model on one of the
loaded batches. Loader processes work while the step runs, so a step waits only if loading a batch takes longer than the
step. Without loader processes (0), each step waits for the whole loading time. If the model runs on the CPU, the step
and the loader processes share the cores, so the real wait can be longer. feeding.json, feeding.md and feeding.png are
written to --out.
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
    parser.add_argument('config', help='config of a derainer; its training data are used')
    parser.add_argument('--workers', nargs='+', type=int, default=[0, 1, 2], metavar='N', help='default: 0 1 2')
    parser.add_argument(
        '--batches', type=int, default=20, help='number of timed batches for each number of processes (default: 20)'
    )
    parser.add_argument('--steps', type=int, default=5, help='number of timed training steps (default: 5)')
    parser.add_argument('--device', default='cpu', help='device of the steps (default: cpu)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/benchmark'), help='default: %(default)s')
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
