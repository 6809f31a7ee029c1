"""Functions that build derainers from configs or from the names of models."""

import copy
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmderain.errors import InputError
from mmderain.hub import find_derainer
from mmderain.io.config import config_errors, read_config
from mmderain.models import Derainer, load_weights
from mmderain.registry import MODELS


def default_device() -> str:
    """Return ``'cuda:0'`` if there is a GPU, else ``'cpu'``."""
    return 'cuda:0' if torch.cuda.is_available() else 'cpu'


def require_device(device: str) -> None:
    """Check that a device exists on this machine.

    Args:
        device: name of the device, such as ``'cuda:0'``.

    Raises:
        InputError: ``device`` is not the name of a device, or the machine has no such device.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        available = ['cpu', *(f'cuda:{number}' for number in range(torch.cuda.device_count()))]
        raise InputError(f'device: found {device!r}; this machine has: {", ".join(available)}') from None


def require_compiler(device: str) -> None:
    """Check that ``torch.compile`` works on this machine.

    Args:
        device: device for which to compile, such as ``'cuda:0'``.

    Raises:
        InputError: ``torch.compile`` does not work.
    """
    try:
        torch.compile(torch.exp)(torch.zeros(8, device=device))
    except Exception as error:  # the type of the error depends on which program or package is missing
        reason = str(error).strip().partition('\n')[0]
        raise InputError(
            f'compile: torch cannot compile for {device} on this machine ({reason}). torch.compile needs a C++ '
            'compiler (on Linux: g++ and the headers of Python), and for a GPU also Triton. Install these packages, or '
            'do not use compile.'
        ) from error


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str = 'cpu',
    cfg_options: dict | None = None,
) -> Derainer:
    """Build a derainer from a config, ready for ``model.restore(batch)``.

    Args:
        config: path of a config file, or a loaded config. Its entry ``model`` is built. A loaded config is not changed.
        checkpoint: path of the checkpoint with the weights to load. None keeps the initial weights.
        device: device of the model, such as ``'cpu'`` or ``'cuda:0'``. Default: ``'cpu'``.
        cfg_options: maps keys of the config, such as ``'model.tile'``, to new values.

    Returns:
        The model in ``eval()`` mode. Its attribute ``cfg`` is the config, with the options.

    Raises:
        FileNotFoundError: the config file or the checkpoint does not exist.
        InputError: the model cannot be built from the config, the checkpoint does not fit the model, or the machine has
            no such device.
    """
    require_device(device)
    # A loaded config is copied, because the constructors and the caller may change entries of it. The options are
    # copied, because mmengine removes the key `_delete_` from them.
    config = copy.deepcopy(config) if isinstance(config, Config) else read_config(config)
    name = config.filename or 'config'
    if cfg_options:
        with config_errors(name):
            config.merge_from_dict(copy.deepcopy(cfg_options))
    if 'model' not in config:
        raise InputError(f'{name}: found no `model` in the config')
    # The caller may be a program of mmdet or mmseg. Therefore the default scope is changed only while the model is
    # built. The modules in `custom_imports` were already imported when the config file was read.
    with DefaultScope.overwrite_default_scope(config.get('default_scope') or 'mmderain'), config_errors(name):
        model = MODELS.build(config.model)
    if checkpoint is not None:
        load_weights(model, checkpoint)
    elif any(getattr(module, 'init_cfg', None) for module in model.modules()):
        # init_weights() logs every parameter. Therefore it is called only if a module has an `init_cfg`.
        model.init_weights()
    model.cfg = config
    return model.to(device).eval()


def trained_derainer(
    model: str | Path | dict,
    weights: str | Path | None = None,
    device: str = 'cpu',
    cfg_options: dict | None = None,
) -> Derainer:
    """Build a derainer with trained weights.

    Args:
        model: name, path or dict, see :func:`~mmderain.hub.find_derainer`.
        weights: path or URL of a checkpoint. None uses the weights of the named model.
        device: device of the model, such as ``'cpu'`` or ``'cuda:0'``. Default: ``'cpu'``.
        cfg_options: maps keys of the config, such as ``'model.tile'``, to new values. The new value None keeps the
            value of the config.

    Returns:
        The derainer in ``eval()`` mode.

    Raises:
        FileNotFoundError: the config file or the checkpoint does not exist.
        InputError: no model has this name, the checkpoint cannot be downloaded or does not fit the config, the machine
            has no such device, or the network has parameters and no checkpoint is named or known.
    """
    config, weights = find_derainer(model, weights)
    options = {key: value for key, value in (cfg_options or {}).items() if value is not None}
    derainer = init_model(config, weights, device, options)
    trained = weights is not None or derainer.spec.has_weights
    if not trained and next(derainer.network.parameters(), None) is not None:
        name = type(derainer.network).__name__ if isinstance(model, dict) else model
        raise InputError(
            f'{name}: no weights are known for this model. Name a checkpoint (argument weights, option --weights), or '
            'use a model with weights; `mmderain models` lists these models.'
        )
    return derainer
