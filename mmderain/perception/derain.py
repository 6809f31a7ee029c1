"""Build the derainer of a chain, and derain batches in levels from 0 to 255."""

from pathlib import Path

import torch
from torch import Tensor

from mmderain.apis import trained_derainer
from mmderain.errors import InputError
from mmderain.models import Derainer


def parse_derainer(derainer: str | Path | dict) -> tuple[str | Path | dict, str | Path | None]:
    """Split an argument ``derainer`` into a config and a checkpoint.

    Args:
        derainer: the name of a bundled model or config such as ``'sian'``, the path of a config file, or
            ``dict(config=..., checkpoint=...)``. In the dict, ``config`` is a name, a path, or a whole config (a dict
            with ``model``). ``checkpoint`` is the path of a weights file; leave it out for bundled weights and for
            a network without parameters.

    Returns:
        The config and the checkpoint, as :func:`~mmderain.hub.find_derainer` takes them.

    Raises:
        InputError: the argument has another form.
    """
    parts = {'config': derainer}
    if isinstance(derainer, dict):
        # mmengine adds `_scope_` to each dict that a config inherits from a config of another package.
        parts = {key: value for key, value in derainer.items() if key != '_scope_'}
    config, checkpoint = parts.get('config'), parts.get('checkpoint')
    if (
        set(parts) - {'config', 'checkpoint'}
        or not isinstance(config, str | Path | dict)
        or not isinstance(checkpoint, str | Path | None)
    ):
        raise InputError(
            f'derainer: found {derainer!r}; expected the name of a bundled model, the path of a config, or '
            'dict(config=..., checkpoint=...)'
        )
    return config, checkpoint


def build_derainer(derainer: str | Path | dict, device: str = 'cpu', precision: str | None = None) -> Derainer:
    """Build a derainer and load its weights.

    The inferencers and test loops of the task libraries load nothing but the task model's checkpoint. Therefore the
    weights of the derainer are loaded here.

    Args:
        derainer: as for :func:`parse_derainer`.
        device: ``'cpu'``, ``'cuda:0'`` and so on.
        precision: as for :class:`~mmderain.models.Derainer`; None takes the config's.

    Returns:
        The derainer in ``eval()`` mode.

    Raises:
        FileNotFoundError, InputError: the config or the checkpoint is missing, or they do not fit each other.
    """
    config, checkpoint = parse_derainer(derainer)
    try:
        return trained_derainer(config, checkpoint, device, {'model.precision': precision})
    except (FileNotFoundError, InputError) as error:
        raise type(error)(f'derainer: {error}') from None


def derain_levels(derainer: Derainer, batch: Tensor, min_change: float | None = None) -> Tensor:
    """Derain images as detectors read them.

    Args:
        derainer: any derainer; it converts to the channel order and range that its network needs.
        batch: (N, 3, H, W) BGR, floating point, 0 to 255.
        min_change: an image that the derainer changes by less than this is returned unchanged; mean absolute change
            in levels of 255. None derains all.

    Returns:
        The derained batch, same shape, rounded to whole numbers, so that it equals what an 8-bit file would hold.
        Gradients pass the rounding as if it were the identity.
    """
    derained = derainer.restore(batch.flip(1) / 255).flip(1) * 255
    # The terms are in this order because then the sum is exact: the result is a whole number, bit for bit.
    derained = derained + (derained.round() - derained).detach()
    if min_change is None:
        return derained
    change = (derained.detach() - batch).abs().mean(dim=(1, 2, 3), keepdim=True)
    return torch.where(change < min_change, batch, derained)
