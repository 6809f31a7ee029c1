"""Run a command in several processes that torchrun or Slurm has started."""

import argparse
import os
import sys
import time
from datetime import timedelta

import torch

from mmderain.apis.shards import Placement, Shard, parse_shard
from mmderain.errors import InputError

#: Options of `mmderain derain` that need a list of inputs, and their values if they are not given.
WHOLE_RUN_OPTIONS = dict(
    shard=None,
    share_segments=False,
    log=None,
    deterministic=False,
    engine='local',
    actors=None,
    gpus_per_actor=None,
)


def choose_shard(text: str | None, place: Placement | None) -> Shard | None:
    """Return the part of the inputs of this process; None for all inputs.

    Args:
        text: value of ``--shard``.
        place: the part that torchrun or Slurm gives to this process.

    Raises:
        InputError: ``--shard`` is wrong, or differs from the part that torchrun or Slurm gives.
    """
    shard = None if text is None else parse_shard(text)
    if place is None:
        if shard is None and os.environ.get('SLURM_NTASKS', '1') != '1' and 'RANK' not in os.environ:
            tasks = os.environ['SLURM_NTASKS']
            print(
                f'note: the job has {tasks} tasks, but this process was not started by srun; it derains all inputs',
                file=sys.stderr,
            )
        return shard
    if shard is not None and shard != place.shard:
        raise InputError(
            f'--shard {shard}: the environment ({place.source}) gives part {place.shard} to this process; leave '
            '--shard out, or start the process without torchrun and srun'
        )
    return place.shard


def own_device(place: Placement | None) -> str | None:
    """Return the GPU of this process if several processes share the machine; None for the default device."""
    if place is None or place.local_rank is None or not torch.cuda.is_available():
        return None
    return f'cuda:{place.local_rank % torch.cuda.device_count()}'


def require_single_process(args: argparse.Namespace, place: Placement | None, kind: str) -> None:
    """Refuse several processes for inputs that cannot be divided.

    The options that need a list of inputs are refused too.

    Args:
        args: parsed arguments of ``mmderain derain``.
        place: the part that torchrun or Slurm gives to this process.
        kind: the kind of inputs that cannot be divided, for the error message.

    Raises:
        InputError: there are several processes, or an option has no effect on these inputs.
    """
    if place is not None:
        raise InputError(
            f'{kind}: found several processes ({place.source}), which would all do the same; start one process, or '
            'unset these environment variables'
        )
    for name, unused in WHOLE_RUN_OPTIONS.items():
        option = f'--{name.replace("_", "-")}'
        if getattr(args, name) != unused:
            raise InputError(f'{option}: has no effect on {kind}; leave {option} out')


def wait_for_other_processes(is_error: bool, timeout: timedelta = timedelta(minutes=1)) -> None:
    """Report that this process has finished. After an error, wait until the other processes of torchrun have finished.

    When one process ends with an error, torchrun stops all other processes. Without this function, one damaged image
    would therefore stop all processes. The function does nothing if the process was not started by torchrun.

    Args:
        is_error: whether the exit status of this process will not be 0.
        timeout: longest time to wait for an answer of the store of torchrun.
    """
    if os.environ.get('TORCHELASTIC_USE_AGENT_STORE') != 'True':
        return
    address, port = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])
    key = f'mmderain/finished/{os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)}'
    try:
        # torchrun itself runs the server of this store.
        store = torch.distributed.TCPStore(address, port, is_master=False, timeout=timeout)
        finished = store.add(key, 1)
        while is_error and finished < int(os.environ['WORLD_SIZE']):
            time.sleep(1)
            finished = store.add(key, 0)
    except torch.distributed.DistError:
        print('note: torchrun has already ended on another node; this process has finished its part', file=sys.stderr)
