"""What the ways to put a derainer ahead of a task model share."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hub import get_config
from torch import Tensor

from mmderain.apis import init_model
from mmderain.errors import InputError
from mmderain.models import Derainer


def read_config(config: str | Path | dict) -> Config:
    """A derainer's config: a file, ``'mmderain::...'`` for one that comes with mmderain, or a dict with ``model``."""
    if isinstance(config, dict):
        return Config(dict(config))
    if '::' in str(config):
        return get_config(str(config))
    if not Path(config).is_file():
        raise FileNotFoundError(f'derainer: {config}: no such config file (sought from {Path.cwd()})')
    return Config.fromfile(config)


def build_derainer(
    config: str | Path | dict, checkpoint: str | Path | None, device: str = 'cpu', precision: str | None = None
) -> Derainer:
    """A derainer for a chain, its weights loaded: nothing later would do that.

    Args:
        config: as :func:`read_config`.
        checkpoint: weights; None only for a network without any.
        precision: as :class:`~mmderain.models.Derainer`; None takes the config's.

    Raises:
        FileNotFoundError, InputError: config or checkpoint are missing or do not fit each other.
    """
    options = None if precision is None else {'model.precision': precision}
    derainer = init_model(read_config(config), checkpoint, device, options)
    if checkpoint is None and next(derainer.network.parameters(), None) is not None:
        raise InputError(
            f'derainer: {type(derainer.network).__name__} has weights, but no checkpoint is named; '
            'set `checkpoint`, for an untrained derainer only harms'
        )
    return derainer


def derain_levels(derainer: Derainer, batch: Tensor, skip_when_dry: float | None = None) -> Tensor:
    """Derain pictures as detectors read them.

    Args:
        batch: (N, 3, H, W), BGR on 0..255, floating.
        skip_when_dry: a picture that the derainer changes by less than this on average (levels, absolute) is
            taken for dry and returned as it was; None derains all.

    Returns:
        The same shape, whole numbers, so that uint8 files and tensors say the same; gradients pass the rounding as if
        it were not there.
    """
    derained = derainer.restore(batch.flip(1) / 255).flip(1) * 255
    # In this order the sum is exact: the result is a whole number, bit for bit.
    derained = derained + (derained.round() - derained).detach()
    if skip_when_dry is None:
        return derained
    change = (derained.detach() - batch).abs().mean(dim=(1, 2, 3), keepdim=True)
    return torch.where(change < skip_when_dry, batch, derained)
