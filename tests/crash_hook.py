"""A hook that ends a training as a crash does."""

from mmengine.hooks import Hook

from mmderain.registry import HOOKS


@HOOKS.register_module()
class EndBefore(Hook):
    """End the training before a step, without a checkpoint. The first step has the number 1."""

    def __init__(self, step: int) -> None:
        self.step = step

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.step:
            raise KeyboardInterrupt
