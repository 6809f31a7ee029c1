from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmderain.errors import InputError
from mmderain.models import Derainer
from mmderain.registry import MODELS

from .checkpoint import load_weights


def default_device() -> str:
    """The first GPU, if there is one, else the CPU."""
    return 'cuda:0' if torch.cuda.is_available() else 'cpu'


def require_device(device: str) -> None:
    """
    Raises:
        InputError: it is no name of a device, or not one of this machine.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        found = ['cpu', *(f'cuda:{number}' for number in range(torch.cuda.device_count()))]
        raise InputError(f'device: found {device!r}; expected one that is here: {", ".join(found)}') from None


def require_compiler(device: str) -> None:
    """
    Raises:
        InputError: ``torch.compile`` does not work here.
    """
    try:
        torch.compile(torch.exp)(torch.zeros(8, device=device))
    except Exception as error:  # of many kinds, by what is missing
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
        config: a config file or a loaded one; its ``model`` is built.
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
        if not Path(config).is_file():
            raise FileNotFoundError(f'{config}: no such config file (sought from {Path.cwd()})')
        config = Config.fromfile(config)
    if cfg_options:
        config.merge_from_dict(cfg_options)
    if 'model' not in config:
        raise InputError(f'{config.filename}: found no `model` in the config')
    # custom_imports have run by now: Config does that when it reads the file. The scope is put back, for this may be
    # called in a process whose own is mmdet's or mmseg's.
    with DefaultScope.overwrite_default_scope(config.get('default_scope') or 'mmderain'):
        model = MODELS.build(config.model)
    if checkpoint is not None:
        load_weights(model, checkpoint)
    elif any(getattr(module, 'init_cfg', None) for module in model.modules()):
        model.init_weights()  # it logs every parameter, so only where there is something to initialise
    model.cfg = config
    return model.to(device).eval()
