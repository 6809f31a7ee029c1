"""Train a derainer.

python tools/train.py configs/derain/sian_rain100h.py
bash tools/dist_train.sh configs/derain/sian_rain100h.py 8
"""

import argparse
import sys

from mmengine.config import DictAction
from mmengine.runner import Runner, find_latest_checkpoint

from mmderain.engine.config import decide_amp, naming_unknown_arguments, prepare_config, require_data, use_amp
from mmderain.engine.cpu_memory import keep_cpu_memory
from mmderain.errors import InputError
from mmderain.io import read_checkpoint


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='for logs and checkpoints; default work_dirs/<name of the config>')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from this checkpoint, or, if none is named, from the latest one in the work dir',
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='on',
        choices=['on', 'auto'],
        help='mixed precision: fp16 on a GPU, bfloat16 on a CPU; auto: on a CPU only if a measurement finds it faster',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the number of processes times batch size',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override entries of the config, for example train_dataloader.batch_size=4',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        cfg = prepare_config(
            args.config, args.work_dir, args.cfg_options, args.launcher, auto_scale_lr=args.auto_scale_lr
        )
        resumed = find_latest_checkpoint(cfg.work_dir) if args.resume == 'auto' else args.resume
        if resumed is not None:
            cfg.resume, cfg.load_from = True, str(resumed)
        # mmengine falls back to running whatever code a file holds; read_checkpoint refuses such a file.
        checkpoint = None if cfg.get('load_from') is None else read_checkpoint(cfg.load_from)
        with naming_unknown_arguments(args.config):
            require_data(cfg, 'train_dataloader', 'val_dataloader')
            if decide_amp(cfg, args.amp, checkpoint if cfg.get('resume') else None):
                use_amp(cfg)
            runner = Runner.from_cfg(cfg)
            with keep_cpu_memory():
                runner.train()
    except (FileNotFoundError, InputError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
