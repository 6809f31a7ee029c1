"""Measure a derainer on the test set of its config.

python tools/test.py configs/derain/sian_rain100l.py sian_rain100l.pth --out work_dirs/figures
"""

import argparse
import sys

from mmengine.config import DictAction
from mmengine.runner import Runner

from mmderain.apis import load_weights, prepare_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help="weights of mmderain's format; every key must fit")
    parser.add_argument('--out', metavar='DIR', help='write per_image.csv and metrics.json there')
    parser.add_argument('--show-dir', metavar='DIR', help='write the derained pictures there, and panels below it')
    parser.add_argument('--work-dir', help='for the log; default work_dirs/<name of the config>')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override entries of the config, for example test_dataloader.dataset.data_root=DIR',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        cfg = prepare_config(args.config, args.work_dir, args.cfg_options, args.launcher)
        if args.out is not None:
            evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
            for evaluator in evaluators:
                if evaluator.type.endswith('ImageQuality'):
                    evaluator.out_dir = args.out
        if args.show_dir is not None:
            cfg.default_hooks.visualization = dict(type='mmderain.DerainVisualizationHook', show_dir=args.show_dir)
        runner = Runner.from_cfg(cfg)
        # Not by the Runner's load_from, which only warns of keys that do not fit.
        load_weights(getattr(runner.model, 'module', runner.model), args.checkpoint)
        runner.test()
    except (FileNotFoundError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
