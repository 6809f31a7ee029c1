"""Gradient checkpointing that can be switched off."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.checkpoint import checkpoint

Result = TypeVar('Result')


def maybe_checkpoint(function: Callable[..., Result], *args: object, enabled: bool) -> Result:
    """Call a function whose activations the backward pass computes again instead of storing them.

    Args:
        function: the function; it must not use random numbers.
        args: arguments of the function.
        enabled: False calls the function directly, and so does a call without gradients.
    """
    if enabled and torch.is_grad_enabled():
        return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)
    return function(*args)
