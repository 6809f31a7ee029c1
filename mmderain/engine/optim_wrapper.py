"""The optimizer wrapper for mixed precision in bfloat16."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper

from mmderain.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Train in mixed precision with bfloat16, on a CPU or a GPU.

    Weights and their updates stay in float32. mmengine's ``AmpOptimWrapper`` requires a GPU or another accelerator, and
    scales the loss, which bfloat16 does not need.
    """

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Run the forward pass under autocast with bfloat16."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
