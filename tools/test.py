"""Measure a trained model on the test set of its config.

    python tools/test.py configs/derain/sian_rain100l.py sian_rain100l.pth --out work_dirs/scores
    python tools/test.py configs/derain/sian_rain100l.py --pretrained
    bash tools/dist_test.sh configs/derain/sian_rain100l.py sian_rain100l.pth 8

The tool prints the scores at the end. docs/en/metrics.md defines the scores. The last example tests in 8 processes.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_cfg_options, add_launcher_option, add_trust_option, checkpoint_file
from mmderain.compat import end_distributed
from mmderain.engine.config import prepare_config, require_data
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.errors import InputError
from mmderain.hub import config_names, find_derainer
from mmderain.hub.index import find_config
from mmderain.io import read_checkpoint
from mmderain.io.config import config_errors, read_config
from mmderain.models import load_weights


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        type=checkpoint_file,
        metavar='CHECKPOINT',
        help='checkpoint from a training with mmderain, or from `mmderain convert`. It must contain exactly the '
        'weights of the model in CONFIG',
    )
    parser.add_argument(
        '--pretrained',
        action='store_true',
        help='use the published weights of CONFIG instead of CHECKPOINT; `mmderain models` lists them',
    )
    add_trust_option(parser)
    parser.add_argument(
        '--out', metavar='DIR', help='folder for per_image.csv and metrics.json (default: write no files)'
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='folder for images: derained images in DIR/derained, and panels in DIR/panels. Each panel shows the rainy '
        'image, the derained image, the clean image and the removed rain (default: write no images)',
    )
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='folder for the log (default: the work_dir of the config, or work_dirs/<name of CONFIG> if it has none)',
    )
    add_cfg_options(parser, 'test_dataloader.dataset.data_root=DIR')
    add_launcher_option(parser, 'test', 'tools/dist_test.sh and tools/slurm_test.sh')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Test the model."""
    if (args.checkpoint is None) != args.pretrained:
        raise InputError(
            'expected exactly one of CHECKPOINT and --pretrained; --pretrained uses the published weights of CONFIG'
        )
    checkpoint = args.checkpoint or pretrained_weights(args.config)
    cfg = prepare_config(args.config, args.work_dir, args.cfg_options, args.launcher)
    if args.out is not None:
        write_scores_to(args.out, cfg)
    if args.show_dir is not None:
        cfg.default_hooks.visualization = dict(type='mmderain.DerainVisualizationHook', show_dir=args.show_dir)
    test(cfg, args.config, checkpoint)
    end_distributed()


def test(cfg: Config, config: str, checkpoint: str | Path) -> None:
    """Build mmengine's Runner, load the checkpoint, and test.

    Args:
        cfg: config of the test.
        config: path of the config file, for error messages.
        checkpoint: path or URL of the checkpoint.
    """
    # If weights do not fit the model, the Runner only prints a warning. Therefore the Runner loads no weights here.
    # load_weights loads them below, and raises an error if they do not fit.
    cfg.load_from, cfg.resume = None, False
    read_checkpoint(checkpoint)  # reports a wrong file before the Runner starts a log
    with config_errors(config):
        require_data(cfg, 'test_dataloader')
        runner = Runner.from_cfg(cfg)
    load_weights(getattr(runner.model, 'module', runner.model), checkpoint)
    with config_errors(config), keep_cpu_memory():  # mmengine builds the data set here
        runner.test()


def pretrained_weights(config: str) -> Path:
    """Return the bundled or published weights of a config of mmderain.

    Raises:
        InputError: the config is not one of mmderain, or no weights of it are known.
    """
    name = Path(config).stem
    if name not in config_names() or read_config(config).model.network != find_config(name).model.network:
        raise InputError(
            f'--pretrained: {config} does not have the network of a config of mmderain with the same file name; name a '
            'CHECKPOINT'
        )
    weights = find_derainer(name)[1]
    if weights is None:
        raise InputError(f'--pretrained: no weights of {name} are published; `mmderain models` lists the models')
    return weights


def write_scores_to(out: str, cfg: Config) -> None:
    """Set the folder to which the ImageQuality in the test_evaluator writes its scores.

    If the test_evaluator contains several ImageQuality entries, each of them writes to a numbered sub-folder of
    ``out``.
    """
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    ours = [evaluator for evaluator in evaluators if str(evaluator.type).endswith('ImageQuality')]
    if not ours:
        raise InputError(
            f'--out {out}: the test_evaluator of the config has no ImageQuality; add the metric ImageQuality, which '
            'writes the scores to files'
        )
    for number, evaluator in enumerate(ours):
        evaluator.out_dir = out if len(ours) == 1 else str(Path(out) / str(number))


if __name__ == '__main__':
    sys.exit(main())
