from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.checkpoint import checkpoint

Result = TypeVar('Result')


def maybe_checkpoint(function: Callable[..., Result], *args: object, enabled: bool) -> Result:
    """``function(*args)``; if enabled, and gradients are wanted, nothing inside is kept, but computed again in the
    backward pass. Nothing random may be inside.
    """
    if enabled and torch.is_grad_enabled():
        return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)
    return function(*args)
