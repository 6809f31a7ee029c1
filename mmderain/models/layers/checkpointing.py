"""Gradient checkpointing that can be switched off."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.checkpoint import checkpoint

Result = TypeVar('Result')


def maybe_checkpoint(function: Callable[..., Result], *args: object, enabled: bool) -> Result:
    """Call a function with gradient checkpointing.

    The activations of the function are then not stored. The backward pass computes them again.

    Args:
        function: function to call. It must not use random numbers, because it would get other numbers in the backward
            pass.
        args: arguments of the function.
        enabled: whether to use checkpointing. If False, or if gradients are disabled, the function is called directly.
    """
    if enabled and torch.is_grad_enabled():
        return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False)
    return function(*args)
