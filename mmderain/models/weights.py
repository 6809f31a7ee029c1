"""Load weights into a model. If the weights do not fit the model, one error lists the differences."""

from pathlib import Path

from torch import Tensor, nn

from mmderain.errors import InputError
from mmderain.io.checkpoint import read_checkpoint, require_weights

from .derainer import Derainer

#: An error message lists at most this number of differences of each kind: wrong shapes, missing keys and unknown keys.
LISTED = 3


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load a checkpoint of mmderain or of an mmengine training run into a model. Every key and every shape must fit.

    Args:
        model: derainer, detector or segmentor that gets the weights. If the checkpoint does not fit, the model is not
            changed.
        path: path of the checkpoint. Its keys may contain ``module.`` and ``_orig_mod.``, which wrappers of a model
            add. Key names of older versions are replaced by the current names, see
            :attr:`~mmderain.models.spec.NetworkSpec.renamed_keys`.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the checkpoint cannot be read (see :func:`~mmderain.io.checkpoint.read_checkpoint`), or it does not
            fit the model. If it does not fit, the message lists keys that differ.
    """
    checkpoint = read_checkpoint(path)
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get('state_dict'), dict):
        raise InputError(
            f'{path}: found no `state_dict`; expected a checkpoint of mmderain. Convert the checkpoint '
            'of an original implementation with `mmderain convert` first.'
        )
    state_dict = rename_old_keys(model, require_weights(checkpoint, path))
    problems = misfits(model, state_dict)
    if problems:
        network = model.network if isinstance(model, Derainer) else model
        raise InputError(
            f'{path} does not fit the model of the config ({type(network).__name__}, {len(model.state_dict())} entries '
            'in its state dict). Use the config of the training run that wrote the checkpoint; the work directory of '
            'the run contains this config. Or override the settings that differ, for example model.network.channels. '
            'For weights of older versions, CHANGELOG.md lists the settings.\n  ' + '\n  '.join(problems)
        )
    model.load_state_dict(state_dict)


def misfits(model: nn.Module, state_dict: dict[str, Tensor]) -> list[str]:
    """Return lines that describe where a state dict does not fit a model, or an empty list if it fits.

    Args:
        model: a derainer, detector or segmentor.
        state_dict: maps keys to tensors. The keys must have their current names.

    Returns:
        At most :data:`LISTED` lines for each kind of misfit (wrong shape, missing key, unknown key). If there are more
        misfits, the last line gives the number of all misfits.
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
    return shown if len(shown) == problems else [*shown, f'... {problems} in total']


def rename_old_keys(model: nn.Module, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a copy of a state dict in which the keys of derainers of older versions have their current names.

    Args:
        model: a derainer, or a model that contains derainers.
        state_dict: maps keys to tensors; it is not changed.
    """
    for name, module in model.named_modules():
        if isinstance(module, Derainer):
            state_dict = module.rename_keys(state_dict, prefix=f'{name}.' if name else '')
    return state_dict
