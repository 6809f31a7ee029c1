"""Read and write checkpoint files that hold weights and plain values only."""

import re
from pathlib import Path

import torch
from torch import Tensor

from mmderain.compat import allow_resuming
from mmderain.errors import InputError

from .files import atomic_write


def read_checkpoint(path: str | Path) -> object:
    """Read a checkpoint to the CPU, weights only: no code in the file is ever run.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: it is not a checkpoint, is damaged, or holds more than weights and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint file')
    allow_resuming()  # again, because a fork's own loading removes types from torch's list, and ours with them
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    # What torch raises for a file that is not its own depends on the first bytes of the file.
    except Exception as error:
        refused = re.search(r'GLOBAL ([\w.]+)', str(error))
        reason = f'it refers to {refused[1]}' if refused else type(error).__name__
        raise InputError(
            f'{path}: cannot be read as weights ({reason}). Expected a file written by torch.save that holds tensors '
            'and plain values only: it may be damaged, no checkpoint at all, or hold pickled objects, which is refused.'
        ) from error


def save_weights(path: str | Path, state_dict: dict[str, Tensor], meta: dict) -> None:
    """Write a weights-only checkpoint, completely or not at all.

    Args:
        path: final path; its folder is created if it is missing.
        state_dict: that of a ``Derainer``, with names that begin with ``network.``.
        meta: plain values that say where the weights come from.
    """
    with atomic_write(path) as part:
        torch.save(dict(meta=meta, state_dict=state_dict), part)
