"""Build a derainer for the input images of a task model (a detector or segmentor), and derain these images."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmderain.apis import trained_derainer
from mmderain.errors import InputError, NonFiniteError
from mmderain.models import Derainer


def parse_derainer(derainer: str | Path | dict) -> tuple[str | Path | dict, str | Path | None]:
    """Split the argument ``derainer`` of a transform or preprocessor into a config and a checkpoint.

    Args:
        derainer: the name of a bundled model or config such as ``'sian'``, the path of a config file, or
            ``dict(config=..., checkpoint=...)``. In the dict, ``config`` is a name, a path, or a whole config (a dict
            with the key ``model``). ``checkpoint`` is the path of a weights file. Omit ``checkpoint`` to use the
            bundled weights, or if the network has no parameters.

    Returns:
        The config and the checkpoint. They are the arguments of :func:`~mmderain.hub.find_derainer`.

    Raises:
        InputError: ``derainer`` is not a name, a path or such a dict.
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

    The function loads the weights, because the inferencers and test loops of mmdet and mmseg load only the checkpoint
    of the task model.

    Args:
        derainer: see :func:`parse_derainer`.
        device: device of the derainer, such as ``'cpu'`` or ``'cuda:0'``.
        precision: see :class:`~mmderain.models.Derainer`. None uses the value of the config.

    Returns:
        The derainer in ``eval()`` mode.

    Raises:
        FileNotFoundError: the config file or the checkpoint does not exist.
        InputError: no model has this name, the checkpoint does not fit the config, or the network has parameters but no
            checkpoint.
    """
    config, checkpoint = parse_derainer(derainer)
    try:
        return trained_derainer(config, checkpoint, device, {'model.precision': precision})
    except (FileNotFoundError, InputError) as error:
        raise type(error)(f'derainer: {error}') from None


class KeptImages:
    """Log and count the images whose derained versions are not finite. The task model gets these images unchanged.

    Args:
        owner: name of the transform or preprocessor, for the log.

    Attributes:
        count: number of these images.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.count = 0

    def add(self, error: NonFiniteError) -> None:
        """Write a warning about the images of an error to the log."""
        self.count += len(error.images)
        print_log(
            f"{self.owner}: {error} With on_nonfinite='keep', the rainy image is used instead (in this process, "
            f'{self.count} so far).',
            'current',
            logging.WARNING,
        )


def kept_images(owner: str, on_nonfinite: str) -> KeptImages | None:
    """Return the object that counts kept images, or None if a result that is not finite is an error.

    Args:
        owner: name of the transform or preprocessor.
        on_nonfinite: ``'error'`` or ``'keep'``.

    Raises:
        InputError: ``on_nonfinite`` is neither ``'error'`` nor ``'keep'``.
    """
    if on_nonfinite not in ('error', 'keep'):
        raise InputError(f"{owner}: on_nonfinite must be 'error' or 'keep', found {on_nonfinite!r}")
    return KeptImages(owner) if on_nonfinite == 'keep' else None


def derain_levels(
    derainer: Derainer,
    batch: Tensor,
    min_change: float | None = None,
    names: Sequence[str] = ('the image',),
    kept: KeptImages | None = None,
) -> Tensor:
    """Derain a batch of images in the format of mmdet and mmseg: BGR with values from 0 to 255.

    Args:
        derainer: the derainer.
        batch: images (N, 3, H, W), BGR, floating point, 0 to 255.
        min_change: threshold for the mean absolute difference between an image and the derained image, on the scale
            from 0 to 255. If the difference is smaller, the image is returned unchanged. None derains all images.
        names: name of each image, for messages.
        kept: counts the images whose results are not finite. These images are returned unchanged. None raises an error
            for such an image.

    Returns:
        The derained images in the shape of ``batch``. The values are rounded to whole numbers, as in an 8-bit image
        file. The backward pass treats the rounding as the identity.

    Raises:
        NonFiniteError: a result is not finite, and ``kept`` is None.
    """
    try:
        derained = derainer.restore(batch.flip(1) / 255).flip(1) * 255
    except NonFiniteError as error:
        error = error.with_names(names)
        if kept is None:
            raise error from None
        kept.add(error)
        others = [number for number in range(len(batch)) if number not in error.images]
        result = batch.clone()
        if others:
            result[others] = derain_levels(derainer, batch[others], min_change, [names[n] for n in others], kept)
        return result
    # This is a straight-through estimator: the forward pass rounds, and the backward pass is the identity. With this
    # order of the terms, the sum has no rounding error. Therefore the result is a whole number.
    derained = derained + (derained.round() - derained).detach()
    if min_change is None:
        return derained
    change = (derained.detach() - batch).abs().mean(dim=(1, 2, 3), keepdim=True)
    return torch.where(change < min_change, batch, derained)
