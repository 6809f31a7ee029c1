import re
from pathlib import Path

import torch
from torch import Tensor, nn

from mmderain.compat import allow_resuming
from mmderain.errors import InputError

from .files import atomic_write


def read_checkpoint(path: str | Path) -> object:
    """Read a checkpoint to the CPU, weights only: no code in the file is ever run.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is no checkpoint, is damaged, or holds more than weights and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint file')
    allow_resuming()  # again: a fork's own loading takes what it admitted off torch's list, and ours with it
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    # What torch raises for a file that is not its own depends on its first bytes.
    except Exception as error:
        refused = re.search(r'GLOBAL ([\w.]+)', str(error))
        reason = f'it refers to {refused[1]}' if refused else type(error).__name__
        raise InputError(
            f'{path}: cannot be read as weights ({reason}). Expected a file written by torch.save that holds tensors '
            'and plain values only: it may be damaged, no checkpoint at all, or hold pickled objects, which is refused.'
        ) from error


def save_weights(path: str | Path, state_dict: dict[str, Tensor], meta: dict) -> None:
    """Write a weights-only checkpoint, complete or not at all.

    Args:
        path: where to; its folder is made if missing.
        state_dict: the ``Derainer``'s, names beginning with ``network.``.
        meta: plain values that say where the weights come from.
    """
    with atomic_write(path) as part:
        torch.save(dict(meta=meta, state_dict=state_dict), part)


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load a checkpoint of mmderain, or of an mmengine run of it, into a ``Derainer``.

    Every key and shape must fit: a mismatch is an error, never a warning.

    Raises:
        FileNotFoundError, InputError: as :func:`read_checkpoint`, or listing the keys that do not fit.
    """
    checkpoint = read_checkpoint(path)
    state_dict = checkpoint.get('state_dict') if isinstance(checkpoint, dict) else None
    if not isinstance(state_dict, dict):
        raise InputError(
            f'{path}: found no `state_dict`; expected a checkpoint of mmderain. A file of the authors is '
            'converted with tools/convert.py first.'
        )
    state_dict = {key.removeprefix('module.'): value for key, value in state_dict.items()}
    expected = model.state_dict()
    kinds = (
        [
            f'{key}: found shape {tuple(state_dict[key].shape)}, expected {tuple(value.shape)}'
            for key, value in expected.items()
            if key in state_dict and state_dict[key].shape != value.shape
        ],
        [f'missing key: {key}' for key in expected if key not in state_dict],
        [f'unknown key: {key}' for key in state_dict if key not in expected],
    )
    problems = sum(map(len, kinds))
    if problems:
        shown = [line for kind in kinds for line in kind[:3]]
        if len(shown) < problems:
            shown.append(f'... {problems} in all')
        network = type(getattr(model, 'network', model)).__name__
        raise InputError(
            f'{path} does not fit the model of the config, a {network} of {len(expected)} entries. Take the config '
            'that it was trained with (a run keeps it beside its checkpoints), or override what differs '
            '(model.network.channels=...).\n  ' + '\n  '.join(shown)
        )
    model.load_state_dict(state_dict)
