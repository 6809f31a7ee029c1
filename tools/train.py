"""Train a derainer, or any other model whose config mmengine's Runner accepts.

    python tools/train.py configs/derain/sian_rain100h.py
    python tools/train.py configs/derain/sian_rain100h.py --resume
    python tools/train.py configs/derain/sian_rain100h.py --check-data
    bash tools/dist_train.sh configs/derain/sian_rain100h.py 8

The last example trains in 8 processes. On a machine with GPUs, each process uses one GPU.

The tool writes checkpoints and the log to the work directory (--work-dir). Ctrl+C and SIGTERM end the training after
the current step. The tool then saves a checkpoint, unless the config saves checkpoints only at the end of an epoch.
--resume continues the training from the last checkpoint. docs/en/training.md explains each part of a training.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from mmengine.config import Config
from mmengine.runner import Runner

from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import add_cfg_options, add_launcher_option, add_trust_option, checkpoint_file
from mmderain.compat import end_distributed
from mmderain.datasets.check import check_data
from mmderain.engine.config import decide_amp, prepare_config, require_data, use_amp
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.engine.resume import (
    completed,
    has_seed,
    latest_checkpoint,
    require_same_model,
    require_training_state,
    use_seed,
)
from mmderain.engine.resume_config import (
    PRECISION,
    FollowConfigHook,
    config_differences,
    difference_lines,
    require_same_config,
)
from mmderain.engine.safety import protect_training
from mmderain.engine.stopping import StopHook, stop_on_signals
from mmderain.engine.work_dir_lock import is_first_process, process_count, work_dir_lock
from mmderain.errors import InputError
from mmderain.io import read_checkpoint
from mmderain.io.checkpoint import require_weights
from mmderain.io.config import config_errors


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='work directory: the folder for checkpoints and the log (default: the work_dir of the config, or '
        'work_dirs/<name of CONFIG> if it has none)',
    )
    add_trust_option(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        type=checkpoint_file,
        const='auto',
        metavar='CHECKPOINT',
        help='continue a training from CHECKPOINT. Without CHECKPOINT, continue from the latest checkpoint in the work '
        'directory (default: start a new training)',
    )
    parser.add_argument(
        '--resume-with-config',
        action='store_true',
        help='continue with the settings of CONFIG, such as the learning rate, the schedule and the seed, even if they '
        'differ from those of the checkpoint. Implies --resume (default: report an error that lists the differences)',
    )
    parser.add_argument(
        '--check-data',
        action='store_true',
        help='before the training, decode all images, and list the images that cannot be read. If there are any, the '
        'training does not start, unless its data set skips such images (default: no check)',
    )
    parser.add_argument(
        '--share-work-dir',
        action='store_true',
        help='start the training even if another training is using the work directory (default: report an error)',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='on',
        choices=['on', 'auto'],
        help='train in mixed precision: fp16 on a GPU, bfloat16 on a CPU. on, or --amp without a value: always. auto: '
        'on a GPU, or if the CPU supports bfloat16 in hardware and bfloat16 is faster in a short measurement. With '
        '--resume on such a CPU, auto keeps the precision of the earlier training (default: train in float32)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='multiply the learning rate by the total batch size of all processes, divided by the entry '
        'auto_scale_lr.base_batch_size of the config (default: use the learning rate of the config)',
    )
    add_cfg_options(parser, 'train_dataloader.batch_size=4')
    add_launcher_option(parser, 'training', 'tools/dist_train.sh and tools/slurm_train.sh')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Train the model of a config, from the start or from a checkpoint."""
    if args.check_data and args.launcher != 'none':
        raise InputError(
            '--check-data works only without --launcher, because the other processes would wait for the check. Check '
            'the data with a training in one process first.'
        )
    cfg = prepare_config(args.config, args.work_dir, args.cfg_options, args.launcher, auto_scale_lr=args.auto_scale_lr)
    protect_training(cfg)
    with nullcontext() if args.share_work_dir else work_dir_lock(cfg.work_dir, args.launcher):
        resumed = args.resume or ('auto' if args.resume_with_config else None)
        if resumed == 'auto' or (cfg.get('resume') and cfg.get('load_from') is None):
            resumed = latest_checkpoint(cfg.work_dir)
            if resumed is None and is_first_process(args.launcher):
                print(f'--resume: {cfg.work_dir} contains no checkpoint; a new training starts.', flush=True)
        if resumed is not None:
            cfg.resume, cfg.load_from = True, str(resumed)
        # When mmengine loads a checkpoint, it runs code in this file. Therefore the tool reads the checkpoint first:
        # read_checkpoint refuses a file that contains code.
        state = None
        if cfg.get('load_from') is not None:
            checkpoint = read_checkpoint(cfg.load_from)
            require_weights(checkpoint, cfg.load_from)
            if cfg.get('resume'):
                needs_schedule = bool(cfg.get('param_scheduler')) and not args.resume_with_config
                state = require_training_state(checkpoint, cfg.load_from, needs_schedule)
        with config_errors(args.config):
            require_data(cfg, 'train_dataloader', 'val_dataloader')
            if args.check_data:
                check_data(cfg, 'train_dataloader', 'val_dataloader')
            if decide_amp(cfg, args.amp, state):
                use_amp(cfg)
            hook = None if state is None else compare_configs(cfg, state, args)
            if state is not None and not has_seed(cfg):
                use_seed(cfg, state)
            reason = None if state is None else completed(cfg, state)
            if reason is None:
                train(cfg, state, hook)
            elif is_first_process(args.launcher):
                print(f'{cfg.load_from}: {reason}; the training is complete, and nothing is done.', flush=True)
    end_distributed()


def compare_configs(cfg: Config, checkpoint: dict, args: argparse.Namespace) -> FollowConfigHook | None:
    """Compare the config of a resumed training with the config in its checkpoint.

    Args:
        cfg: config of the run.
        checkpoint: content of the checkpoint ``cfg.load_from``.
        args: parsed arguments.

    Returns:
        With ``--resume-with-config``, the hook that makes the training follow the config. Otherwise None.

    Raises:
        InputError: the configs differ, and ``--resume-with-config`` is not set.
    """
    ignored = PRECISION if args.amp == 'auto' else set()
    if not has_seed(cfg):
        ignored = ignored | {'randomness.seed'}  # the run uses the seed of the checkpoint
    differences = config_differences(cfg, checkpoint, ignored, process_count(args.launcher))
    if not args.resume_with_config:
        require_same_config(differences, cfg.load_from)
        return None
    if differences and is_first_process(args.launcher):
        print(f'--resume-with-config: settings that change (old value -> new value):\n{difference_lines(differences)}')
    return FollowConfigHook(reset_moments='optim_wrapper.optimizer.type' in differences)


def train(cfg: Config, resumed: dict | None, hook: FollowConfigHook | None = None) -> None:
    """Build mmengine's Runner and train.

    Args:
        cfg: config of the run.
        resumed: content of the checkpoint ``cfg.load_from`` if the run continues from it, else None.
        hook: hook that makes a resumed training follow the config. None follows the schedule of the checkpoint.
    """
    runner = Runner.from_cfg(cfg)
    if resumed is not None:
        require_same_model(runner.model, resumed, cfg.load_from)
    if hook is not None:
        runner.register_hook(hook)
    with keep_cpu_memory(), stop_on_signals() as request:
        runner.register_hook(StopHook(request))
        runner.train()


if __name__ == '__main__':
    sys.exit(main())
