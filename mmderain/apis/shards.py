"""Divide the inputs among several processes.

The hash of the name of an input decides to which process the input belongs. Therefore the processes need no connection
to each other, and other inputs have no effect.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmderain.errors import InputError


@dataclass(frozen=True)
class Shard:
    """One of several parts of the inputs.

    Attributes:
        index: number of the part, from 0 to ``count - 1``.
        count: number of parts.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise InputError(f'Shard: found index {self.index} of {self.count} parts; expected 0 to count - 1')

    def __str__(self) -> str:
        return f'{self.index + 1}/{self.count}'

    def contains(self, name: str) -> bool:
        """Return whether an input belongs to this part.

        Args:
            name: name of the input relative to its input folder, with ``/`` between folders.
        """
        digest = hashlib.blake2b(os.fsencode(name), digest_size=8).digest()
        return int.from_bytes(digest, 'big') % self.count == self.index

    def log_path(self, path: str | Path) -> Path:
        """Return the path of the log of this part: ``run.jsonl`` becomes ``run.3-of-16.jsonl``."""
        path = Path(path)
        return path.with_name(f'{path.stem}.{self.index + 1}-of-{self.count}{path.suffix}')


@dataclass(frozen=True)
class Placement:
    """The part of the inputs of a process that a launcher has started.

    Attributes:
        shard: the part.
        local_rank: number of the process on its machine, from 0, which chooses the GPU. None if it is unknown.
        source: description of the environment variables that were used.
    """

    shard: Shard
    local_rank: int | None
    source: str


def parse_shard(text: str) -> Shard:
    """Convert ``'3/16'`` to the third of 16 parts. Counting starts at 1.

    Raises:
        InputError: the text has another format, or the number is not between 1 and the number of parts.
    """
    found = re.fullmatch(r'(\d+)/(\d+)', text, re.ASCII)
    number, count = (int(group) for group in found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise InputError(f'shard: found {text!r}; expected NUMBER/COUNT from 1/COUNT to COUNT/COUNT, such as 3/16')
    return Shard(number - 1, count)


def placement(environment: Mapping[str, str] | None = None) -> Placement | None:
    """Return the part of this process according to the environment variables of torchrun or Slurm.

    The inputs are divided in these cases:

    * Each process of torchrun or of ``srun`` gets one part.
    * The tasks of a Slurm array divide the inputs. The processes of a task divide the part of the task.

    A process in a batch script or in a shell of Slurm is a single process, unless ``srun`` started it.

    Args:
        environment: the environment variables. None uses those of this process.

    Returns:
        The placement, or None if there is only one process.

    Raises:
        InputError: the variables are incomplete or contradict each other.
    """
    variables = Variables(os.environ if environment is None else environment)
    inner = _torchrun(variables) or _srun(variables)
    outer = _array(variables)
    if outer is None or inner is None:
        return outer or inner
    shard = Shard(outer.shard.index * inner.shard.count + inner.shard.index, outer.shard.count * inner.shard.count)
    return Placement(shard, inner.local_rank, f'{outer.source} and {inner.source}')


class Variables:
    """Environment variables that contain integers."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def __contains__(self, name: str) -> bool:
        return name in self.environment

    def number(self, name: str) -> int:
        """Return the value of a variable, or raise an InputError if it is missing or not an integer."""
        text = self.environment.get(name)
        if text is None or not re.fullmatch(r'\d+', text, re.ASCII):
            found = 'is not set' if text is None else f'is {text!r}'
            raise InputError(f'environment variable {name} {found}; expected an integer. {REMEDY}')
        return int(text)

    def place(self, rank: str, count: str, local: str) -> Placement | None:
        """Return the placement from three variables, or None if there is only one process."""
        index, total = self.number(rank), self.number(count)
        source = f'{rank}={index}, {count}={total}'
        if not index < total:
            raise InputError(f'environment: found {source}; the first number must be below the second. {REMEDY}')
        if total == 1:
            return None
        return Placement(Shard(index, total), self.number(local) if local in self else None, source)


REMEDY = 'Start all processes with the same torchrun or srun, or unset the variables and use --shard NUMBER/COUNT.'


def _torchrun(variables: Variables) -> Placement | None:
    if 'RANK' not in variables and 'WORLD_SIZE' not in variables:
        return None
    return variables.place('RANK', 'WORLD_SIZE', 'LOCAL_RANK')


def _srun(variables: Variables) -> Placement | None:
    # Batch scripts and the shells of salloc also have SLURM_NTASKS, and some have SLURM_PROCID=0. Only srun sets the
    # number of the step and its number of tasks. `srun --pty` starts an interactive shell, and sets SLURM_PTY_PORT.
    if 'SLURM_PROCID' not in variables or 'SLURM_STEP_ID' not in variables or 'SLURM_PTY_PORT' in variables:
        return None
    # The number of tasks of this step can be smaller than SLURM_NTASKS, the number of tasks of the whole job.
    count = 'SLURM_STEP_NUM_TASKS' if 'SLURM_STEP_NUM_TASKS' in variables else 'SLURM_NTASKS'
    return variables.place('SLURM_PROCID', count, 'SLURM_LOCALID')


def _array(variables: Variables) -> Placement | None:
    if 'SLURM_ARRAY_TASK_ID' not in variables:
        return None
    number, count, first = (variables.number(f'SLURM_ARRAY_TASK_{name}') for name in ('ID', 'COUNT', 'MIN'))
    step = variables.number('SLURM_ARRAY_TASK_STEP') if 'SLURM_ARRAY_TASK_STEP' in variables else 1
    index, rest = divmod(number - first, max(step, 1))
    source = f'SLURM_ARRAY_TASK_ID={number}, SLURM_ARRAY_TASK_COUNT={count}, SLURM_ARRAY_TASK_MIN={first}'
    if rest or not 0 <= index < count:
        raise InputError(
            f'environment: found {source}; the numbers of the array must follow each other, as in --array=0-15. To '
            'repeat single tasks, use --shard NUMBER/COUNT.'
        )
    return Placement(Shard(index, count), None, source) if count > 1 else None
