"""Load weights into a derainer, with one clear error if they do not fit."""

from pathlib import Path

from torch import Tensor, nn

from mmderain.errors import InputError
from mmderain.io.checkpoint import read_checkpoint

from .derainer import Derainer

#: Number of misfits of each kind that an error message lists.
LISTED = 3


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load a checkpoint of mmderain, or of an mmengine run of it. Every key and every shape must fit.

    Args:
        model: a derainer, or a detector or segmentor; it is left as it was if the checkpoint does not fit.
        path: a checkpoint, with or without the prefix ``module.`` of distributed training. Names of older versions are
            translated, see :attr:`~mmderain.models.spec.NetworkSpec.renamed_keys`.

    Raises:
        FileNotFoundError, InputError: as :func:`~mmderain.io.checkpoint.read_checkpoint`; or the checkpoint does not
            fit, with a list of the keys that do not.
    """
    checkpoint = read_checkpoint(path)
    state_dict = checkpoint.get('state_dict') if isinstance(checkpoint, dict) else None
    if not isinstance(state_dict, dict):
        raise InputError(
            f'{path}: found no `state_dict`; expected a checkpoint of mmderain. Convert a file of the authors with '
            'tools/convert.py first.'
        )
    state_dict = rename_old_keys(model, {key.removeprefix('module.'): value for key, value in state_dict.items()})
    problems = misfits(model, state_dict)
    if problems:
        network = model.network if isinstance(model, Derainer) else model
        raise InputError(
            f'{path} does not fit the model of the config, a {type(network).__name__} of {len(model.state_dict())} '
            'entries. Use the config that it was trained with (a run keeps it beside its checkpoints), or override '
            'what differs (model.network.channels=...).\n  ' + '\n  '.join(problems)
        )
    model.load_state_dict(state_dict)


def misfits(model: nn.Module, state_dict: dict[str, Tensor]) -> list[str]:
    """Return lines that say how weights differ from those of a model; empty if they fit.

    Args:
        model: a derainer, or a detector or segmentor.
        state_dict: names -> tensors, with the current names.

    Returns:
        At most :data:`LISTED` lines for each kind of misfit, and a last line with the number of all misfits if there
        are more.
    """
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
    shown = [line for kind in kinds for line in kind[:LISTED]]
    return shown if len(shown) == problems else [*shown, f'... {problems} in all']


def rename_old_keys(model: nn.Module, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict in which the names that older versions wrote for derainers are the current ones.

    Args:
        model: a derainer, or a model that contains derainers.
        state_dict: names -> tensors; it is not changed.
    """
    for name, module in model.named_modules():
        if isinstance(module, Derainer):
            state_dict = module.rename_keys(state_dict, prefix=f'{name}.' if name else '')
    return state_dict
