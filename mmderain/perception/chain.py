"""What the ways to put a derainer ahead of a task model share."""

from pathlib import Path

import torch
from torch import Tensor

from mmderain.apis import trained_derainer
from mmderain.errors import InputError
from mmderain.models import Derainer


def build_derainer(
    config: str | Path | dict, checkpoint: str | Path | None, device: str = 'cpu', precision: str | None = None
) -> Derainer:
    """A derainer for a chain, its weights loaded: nothing later would do that.

    Args:
        config: as :func:`~mmderain.apis.find_derainer`: a name such as ``'sian'``, a file, or a dict with ``model``.
        checkpoint: weights; None takes those that come along, and is right for a network without any.
        precision: as :class:`~mmderain.models.Derainer`; None takes the config's.

    Raises:
        FileNotFoundError, InputError: config or checkpoint are missing or do not fit each other.
    """
    try:
        return trained_derainer(config, checkpoint, device, {'model.precision': precision})
    except (FileNotFoundError, InputError) as error:
        raise type(error)(f'derainer: {error}') from None


def derain_levels(derainer: Derainer, batch: Tensor, min_change: float | None = None) -> Tensor:
    """Derain pictures as detectors read them.

    Args:
        batch: (N, 3, H, W), BGR on 0..255, floating.
        min_change: a picture that the derainer changes by less than this on average (levels, absolute) is
            taken for dry and returned as it was; None derains all.

    Returns:
        The same shape, whole numbers, so that uint8 files and tensors say the same; gradients pass the rounding as if
        it were not there.
    """
    derained = derainer.restore(batch.flip(1) / 255).flip(1) * 255
    # In this order the sum is exact: the result is a whole number, bit for bit.
    derained = derained + (derained.round() - derained).detach()
    if min_change is None:
        return derained
    change = (derained.detach() - batch).abs().mean(dim=(1, 2, 3), keepdim=True)
    return torch.where(change < min_change, batch, derained)
