"""Check that the results of a network are finite. NaN would become black, and infinity white, in an image file."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmderain.errors import NonFiniteError


def finite_images(batch: Tensor) -> Tensor:
    """Return for each image of a batch whether all of its values are finite.

    Args:
        batch: (N, C, H, W), without an empty dimension.

    Returns:
        (N,), bool, on the device of ``batch``.
    """
    # If a value is NaN or infinite, the minimum or the maximum is too. Unlike isfinite(), they need no tensor of the
    # size of the batch.
    lowest, highest = batch.detach().amin((1, 2, 3)), batch.detach().amax((1, 2, 3))
    return lowest.isfinite() & highest.isfinite()


def require_finite_results(finite: Sequence[Tensor], network: nn.Module, batch: Tensor) -> None:
    """Raise an error if the results of a network are not finite.

    Args:
        finite: results of :func:`finite_images` for the derained batch, or for each of its tiles. Each is (N,).
        network: the network.
        batch: the rainy images, (N, 3, H, W).

    Raises:
        NonFiniteError: a result is not finite. The message gives the reason if it is known, and advice.
    """
    good = torch.stack(list(finite)).all(0)
    if good.all():
        return
    images = [number for number, is_good in enumerate(good.tolist()) if not is_good]
    result = f'the result of {type(network).__name__} contains NaN or infinite values'
    weights = (name for name, value in network.state_dict().items() if not value.isfinite().all())
    if (weight := next(weights, None)) is not None:
        reason = (
            f'{result}. The reason: the weight {weight} of the network contains such values. Use another checkpoint.'
        )
    elif not finite_images(batch[images]).all():
        reason = f'{result}. The reason: the rainy image contains such values. Check the step that makes this image.'
    else:
        reason = (
            f"{result}. Use precision='fp32' (option --precision fp32). If the error remains, use another checkpoint: "
            'the weights of this one are finite, but too large for this image.'
        )
    names = [f'image {number} of the batch (the first is 0)' for number in images] if len(batch) > 1 else []
    raise NonFiniteError(reason, images, names)
