from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.checkpoint import checkpoint

Result = TypeVar('Result')


def maybe_checkpoint(function: Callable[..., Result], *args: object, enabled: bool) -> Result:
    """Call a function; in training, keep nothing of its inside for the backward pass, which computes it again.

    Args:
        function: has no random parts.
        args: its arguments.
        enabled: False, or gradients that are switched off, call the function as it is.
    """
    if enabled and torch.is_grad_enabled():
        return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)
    return function(*args)
