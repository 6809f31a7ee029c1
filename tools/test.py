"""Measure a derainer on the test set of its config.

python tools/test.py configs/derain/sian_rain100l.py sian_rain100l.pth --out work_dirs/figures
"""

import argparse
import sys
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from mmderain.engine.config import naming_unknown_arguments, prepare_config, require_data
from mmderain.errors import InputError
from mmderain.io import read_checkpoint
from mmderain.models import load_weights


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help="weights of mmderain's format; every key must fit")
    parser.add_argument('--out', metavar='DIR', help='write per_image.csv and metrics.json there')
    parser.add_argument(
        '--show-dir', metavar='DIR', help='write derained pictures to DIR/derained and panels to DIR/panels'
    )
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


def send_figures_to(out: str, cfg: Config) -> None:
    """Let every ImageQuality of the test write its files, several in folders of their own."""
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    ours = [evaluator for evaluator in evaluators if str(evaluator.type).endswith('ImageQuality')]
    if not ours:
        raise InputError(f'--out {out}: the test_evaluator of the config has no ImageQuality, which writes the figures')
    for number, evaluator in enumerate(ours):
        evaluator.out_dir = out if len(ours) == 1 else str(Path(out) / str(number))


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        cfg = prepare_config(args.config, args.work_dir, args.cfg_options, args.launcher)
        if args.out is not None:
            send_figures_to(args.out, cfg)
        if args.show_dir is not None:
            cfg.default_hooks.visualization = dict(type='mmderain.DerainVisualizationHook', show_dir=args.show_dir)
        # Weights are not loaded by the Runner, which only warns of keys that do not fit, and nothing else is either.
        cfg.load_from, cfg.resume = None, False
        read_checkpoint(args.checkpoint)  # before a Runner starts to log and to make folders
        with naming_unknown_arguments(args.config):
            require_data(cfg, 'test_dataloader')
            runner = Runner.from_cfg(cfg)
        load_weights(getattr(runner.model, 'module', runner.model), args.checkpoint)
        runner.test()
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
