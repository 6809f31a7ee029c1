"""Connect to a Ray cluster, and choose the number of its actors."""

import inspect
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmderain.errors import InputError
from mmderain.hub import config_names, named_models


def connect() -> Any:
    """Connect to a Ray cluster, and return the module ``ray``.

    Raises:
        InputError: Ray is not installed, or cannot connect to the cluster or start one.
    """
    try:
        import ray
        import ray.data  # noqa: F401
    except ImportError as error:
        raise InputError(f'Ray is not installed ({error}); run `pip install "mmderain[ray]"`') from None
    if not ray.is_initialized():
        try:
            # Without a runtime environment, Ray uploads no files.
            ray.init(include_dashboard=False, logging_level=logging.ERROR)
        except Exception as error:  # ray.init raises errors of many types
            address = os.environ.get('RAY_ADDRESS')
            place = 'start on this machine' if address is None else f'connect to the cluster at RAY_ADDRESS={address}'
            first = str(error).strip().partition('\n')[0]
            raise InputError(f'Ray cannot {place} ({type(error).__name__}: {first})') from error
    return ray


def choose_actors(
    resources: dict[str, float], num_gpus: float | None, num_cpus: float, concurrency: int | tuple[int, int] | None
) -> tuple[float, int, int]:
    """Return the number of GPUs of each actor, and the smallest and the largest number of actors.

    Args:
        resources: total resources of the cluster.
        num_gpus: see :func:`~mmderain.integrations.ray.derain_images`.
        num_cpus: see :func:`~mmderain.integrations.ray.derain_images`.
        concurrency: see :func:`~mmderain.integrations.ray.derain_images`.

    Raises:
        InputError: the cluster has no room for a single actor, or a number is not positive.
    """
    gpus, cpus = resources.get('GPU', 0), resources.get('CPU', 0)
    per_actor = (1.0 if gpus else 0.0) if num_gpus is None else num_gpus
    if per_actor < 0 or num_cpus <= 0:
        raise InputError(f'found num_gpus={num_gpus} and num_cpus={num_cpus}; expected positive numbers')
    rooms = [cpus / num_cpus] + ([gpus / per_actor] if per_actor else [])
    room = math.floor(min(rooms) + 1e-6)
    if room < 1:
        raise InputError(
            f'an actor needs {per_actor:g} GPUs and {num_cpus:g} CPUs, but the cluster has only {gpus:g} GPUs and '
            f'{cpus:g} CPUs; set smaller num_gpus and num_cpus'
        )
    if concurrency is None:
        return per_actor, 1, room
    low, high = (concurrency, concurrency) if isinstance(concurrency, int) else concurrency
    if not 1 <= low <= high:
        raise InputError(f'concurrency: found {concurrency!r}; expected a number of at least 1, or (smallest, largest)')
    return per_actor, low, high


def retry_options(map_batches: Callable, retries: int) -> dict[str, int]:
    """Return the arguments of ``map_batches`` that limit how often a block is tried again after its actor died.

    Ray Data starts actors again without a limit. An input that kills each process that reads it would then be tried
    forever. Ray 2.64 will remove these arguments, and will give no other way to limit the retries.

    Args:
        map_batches: the method of the data set.
        retries: number of retries of a block.
    """
    accepts_all = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(map_batches).parameters.values())
    return dict(max_restarts=-1, max_task_retries=retries) if accepts_all else {}


def absolute_path(path: Any) -> Any:
    """Return the absolute path of an existing file or folder, because actors run in other folders.

    Any other value, such as a dict or an address, is returned unchanged.
    """
    return str(Path(path).absolute()) if isinstance(path, str | Path) and Path(path).exists() else path


def is_model_path(model: Any) -> bool:
    """Return whether a model is given by a path and not by a name or a config. A name has priority over a file."""
    return isinstance(model, Path) or (isinstance(model, str) and model not in (*named_models(), *config_names()))
