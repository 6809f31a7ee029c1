"""`mmderain derain --engine ray`: derain on the machines of a Ray cluster."""

import argparse
import contextlib
import logging
import os
import re
import signal
import sys
from typing import TYPE_CHECKING

from mmderain.apis import InputResult
from mmderain.errors import InputError
from mmderain.io.folders import skipped_by_suffix
from mmderain.io.video import VideoOptions

from .inferencer import print_result

if TYPE_CHECKING:
    from mmderain.integrations.ray import Summary

#: Options of `mmderain derain` that have no meaning on a cluster, and their values if they are not given.
LOCAL_OPTIONS = dict(device=None, shard=None, share_segments=False, compile=False, prepare=False)


def add_ray_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose Ray and its actors."""
    group = parser.add_argument_group('Ray')
    group.add_argument(
        '--engine',
        choices=('local', 'ray'),
        default='local',
        help='local: derain in this process. ray: derain on the cluster at the environment variable RAY_ADDRESS; '
        'without this variable, start Ray on this machine. Needs `pip install "mmderain[ray]"` (default: local)',
    )
    group.add_argument(
        '--actors',
        type=actors,
        metavar='N',
        help='number of processes that derain, or the smallest and the largest number, such as 2:16 (default: as many '
        'as the cluster has room for, and at least 1)',
    )
    group.add_argument(
        '--gpus-per-actor',
        type=float,
        metavar='N',
        help='number of GPUs of each process; with 0.5, two processes share a GPU (default: 1, or 0 if the cluster has '
        'no GPU)',
    )


def actors(text: str) -> int | tuple[int, int]:
    """Convert ``'4'`` or ``'2:16'`` to one or two numbers."""
    smallest, _, largest = text.partition(':')
    if not re.fullmatch(r'\d+(:\d+)?', text, re.ASCII) or not 1 <= int(smallest) <= int(largest or smallest):
        raise argparse.ArgumentTypeError(
            f'expected a number from 1, or the smallest and the largest number, such as 2:16, found {text!r}'
        )
    return (int(smallest), int(largest)) if largest else int(smallest)


def check_engine(args: argparse.Namespace, has_other_processes: bool) -> None:
    """Check that the options fit the engine.

    Args:
        args: parsed arguments of `mmderain derain`.
        has_other_processes: whether torchrun or Slurm started several processes.

    Raises:
        InputError: an option does not fit the engine, or torchrun or Slurm started several processes for ``--engine
            ray``.
    """
    if args.engine == 'local':
        for name in ('actors', 'gpus_per_actor'):
            if getattr(args, name) is not None:
                raise InputError(f'--{name.replace("_", "-")}: needs --engine ray')
        return
    for name, unused in LOCAL_OPTIONS.items():
        if getattr(args, name) != unused:
            raise InputError(f'--{name.replace("_", "-")}: has no effect with --engine ray; leave it out')
    if has_other_processes:
        raise InputError('--engine ray: divides the inputs itself; start it once, without torchrun and srun')


def derain_on_ray(args: argparse.Namespace, video: VideoOptions) -> tuple[dict[str, int], int]:
    """Derain the inputs on a cluster, and print the failures.

    Args:
        args: parsed arguments of `mmderain derain`.
        video: options of the result videos.

    Returns:
        The numbers of inputs that are done, skipped and failed, and the number of the signal that ended the run, or 0.
    """
    set_up_ray()
    from mmderain.integrations.ray import Summary, derain_images

    seen = Summary()

    def show(result: InputResult) -> None:
        seen.add(result)
        print_result(args, result)

    try:
        summary = derain_images(
            args.inputs,
            args.out,
            args.model,
            args.weights,
            args.batch_size,
            num_gpus=args.gpus_per_actor,
            concurrency=args.actors,
            existing=args.existing,
            log=args.log,
            precision=args.precision,
            tile=args.tile,
            max_pixels=args.max_pixels,
            workers=args.workers,
            deterministic=args.deterministic,
            video=video,
            on_result=show,
            keep_suffix=args.keep_suffix,
            progress=sys.stderr.isatty(),
        )
    except (KeyboardInterrupt, SystemExit) as error:  # Ray raises SystemExit after SIGTERM
        stopped = signal.SIGINT if isinstance(error, KeyboardInterrupt) else signal.SIGTERM
        print(f'stopped by {stopped.name}; to continue, run the same command with --existing skip', file=sys.stderr)
        return _counts(seen), stopped
    if text := skipped_by_suffix(summary.other_files):
        print(text)
    return _counts(summary), 0


def set_up_ray() -> None:
    """Choose settings of Ray for this process, and for the cluster that it starts. Variables of the user are kept.

    Ray then sends no usage statistics to its developers, and does not upload the working directory if `uv run` starts
    the command. It prints no messages about its own work. The log files of Ray Data still contain these messages.
    """
    for name in ('RAY_USAGE_STATS_ENABLED', 'RAY_ENABLE_UV_RUN_RUNTIME_ENV'):
        os.environ.setdefault(name, '0')
    with contextlib.suppress(ImportError):  # `derain_images` reports this error
        import ray.data  # noqa: F401  # adds handlers to its logger

        for handler in logging.getLogger('ray.data').handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                handler.setLevel(logging.ERROR)


def _counts(summary: 'Summary') -> dict[str, int]:
    return dict(done=summary.done, skipped=summary.skipped, failed=summary.failed)
