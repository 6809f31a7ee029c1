"""Build derainers: from a config, or by name with their weights."""

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
    """Return the first GPU if there is one, else the CPU."""
    return 'cuda:0' if torch.cuda.is_available() else 'cpu'


def require_device(device: str) -> None:
    """Check that a device exists on this machine.

    Raises:
        InputError: the text is not the name of a device, or the machine has no such device.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        found = ['cpu', *(f'cuda:{number}' for number in range(torch.cuda.device_count()))]
        raise InputError(f'device: found {device!r}; expected one that is here: {", ".join(found)}') from None


def require_compiler(device: str) -> None:
    """Check that ``torch.compile`` works on this machine.

    Raises:
        InputError: it does not work.
    """
    try:
        torch.compile(torch.exp)(torch.zeros(8, device=device))
    except Exception as error:  # the type depends on what is missing
        reason = str(error).strip().partition('\n')[0]
        raise InputError(
            f'compile: torch cannot compile for {device} here ({reason}); it needs a C++ compiler, on Linux g++ and '
            'the headers of Python, and for a GPU Triton; go on without it'
        ) from error


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str = 'cpu',
    cfg_options: dict | None = None,
) -> Derainer:
    """Build a derainer from a config, ready for ``model.restore(batch)``.

    Args:
        config: a config file or a loaded config; its ``model`` is built.
        checkpoint: weights to load; None leaves the initial ones.
        device: ``'cpu'``, ``'cuda:0'`` and so on.
        cfg_options: entries of the config to override, dotted keys.

    Returns:
        The model in ``eval()`` mode, with the config as ``model.cfg``.

    Raises:
        FileNotFoundError, InputError: naming the config or checkpoint and what does not fit.
    """
    require_device(device)
    if not isinstance(config, Config):
        config = read_config(config)
    name = config.filename or 'config'
    if cfg_options:
        with config_errors(name):
            config.merge_from_dict(cfg_options)
    if 'model' not in config:
        raise InputError(f'{name}: found no `model` in the config')
    # Config has run custom_imports when it read the file. The default scope is put back afterwards, because the caller
    # may be a program of mmdet or mmseg.
    with DefaultScope.overwrite_default_scope(config.get('default_scope') or 'mmderain'), config_errors(name):
        model = MODELS.build(config.model)
    if checkpoint is not None:
        load_weights(model, checkpoint)
    elif any(getattr(module, 'init_cfg', None) for module in model.modules()):
        model.init_weights()  # it logs every parameter, so only where there is something to initialize
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
        model: as for :func:`~mmderain.hub.find_derainer`.
        weights: a checkpoint; None takes the bundled one.
        device: ``'cpu'``, ``'cuda:0'`` and so on.
        cfg_options: entries of the config to override, dotted keys; None as a value leaves the config's.

    Raises:
        FileNotFoundError, InputError: as :func:`~mmderain.hub.find_derainer`; or the network has parameters, but no
            weights are named or bundled.
    """
    config, weights = find_derainer(model, weights)
    options = {key: value for key, value in (cfg_options or {}).items() if value is not None}
    derainer = init_model(config, weights, device, options)
    if weights is None and next(derainer.network.parameters(), None) is not None:
        name = type(derainer.network).__name__ if isinstance(model, dict) else model
        raise InputError(
            f'{name}: no checkpoint is named and none is bundled, and an untrained derainer only does harm. Name one '
            '(weights, --weights); `mmderain models` lists the bundled ones.'
        )
    return derainer
