"""The hook that stops a training whose loss or weights are no longer finite."""

import logging
from pathlib import Path

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from mmderain.errors import InputError
from mmderain.registry import HOOKS


@HOOKS.register_module()
class StopIfNotFiniteHook(Hook):
    """Stop a training if a loss or a weight is not finite.

    The losses are checked after each step. The weights are checked before each checkpoint, at the end of each epoch and
    after each validation. Without this hook, mmengine would continue the training, and replace good checkpoints with
    useless ones. The statistics of normalization layers and the other buffers in a checkpoint count as weights.

    Args:
        max_skipped: largest number of successive steps with a loss that is not finite. Up to this number, the hook only
            writes a warning. This is useful with fp16 and loss scaling, because the optimizer then skips such a step.
            Default: 0.

    Raises:
        InputError: in training, if a loss or a weight is not finite. The message names the step and the last
            checkpoint. For a loss, it also names the files of the batch.
    """

    # This hook runs before the hook that saves checkpoints.
    priority = 'VERY_HIGH'

    def __init__(self, max_skipped: int = 0) -> None:
        self.max_skipped = max_skipped
        self._skipped = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Check the losses of a step. If a checkpoint is saved after this step, check the weights too."""
        wrong = [name for name, value in (outputs or {}).items() if not torch.as_tensor(value).isfinite().all()]
        if not wrong:
            self._skipped = 0
            if self._checkpoint_follows(runner):
                self.check_weights(runner)
            return
        self._skipped += 1
        text = f'step {runner.iter + 1}: {", ".join(wrong)} is not finite; files of the batch: {_files_of(data_batch)}'
        if self._skipped > self.max_skipped:
            raise InputError(f'{text}. {_advice(runner)}')
        count = f'{self._skipped} such steps in a row, at most {self.max_skipped} are allowed'
        print_log(f'{text}; the training continues ({count})', 'current', logging.WARNING)

    def after_train_epoch(self, runner: Runner) -> None:
        """Check the weights, because another hook may save a checkpoint after the epoch."""
        self.check_weights(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Check the weights, because another hook may save the best checkpoint after the validation."""
        self.check_weights(runner)

    @staticmethod
    def _checkpoint_follows(runner: Runner) -> bool:
        """Return whether a checkpoint may be saved after this step.

        A checkpoint is due after an interval of steps, and after the last step. A checkpoint of an earlier step may
        also have been postponed to this step.
        """
        hooks = [hook for hook in runner.hooks if hasattr(hook, 'save_last') and not hook.by_epoch]
        step = runner.iter + 1
        due = any(hook.interval > 0 and step % hook.interval == 0 for hook in hooks)
        return due or step == runner.max_iters or any(getattr(hook, 'is_postponed', False) for hook in hooks)

    @staticmethod
    def check_weights(runner: Runner) -> None:
        """Raise an InputError if a weight of the model is not finite."""
        # state_dict() leaves out the buffers that are not saved. They may contain infinite values.
        for name, weight in runner.model.state_dict().items():
            if torch.is_tensor(weight) and not weight.isfinite().all():
                raise InputError(f'step {runner.iter + 1}: the weight {name} is not finite. {_advice(runner)}')


def _files_of(data_batch: dict | None) -> str:
    """Return the paths of the images of a batch as text, or 'unknown' if the batch has no paths."""
    samples = (data_batch or {}).get('data_samples') or []
    paths = [sample.get('img_path') for sample in samples if hasattr(sample, 'get')]
    return ', '.join(str(path) for path in paths if path) or 'unknown'


def _advice(runner: Runner) -> str:
    """Return the end of an error message: the last checkpoint, and what to do."""
    last = runner.message_hub.runtime_info.get('last_ckpt')
    saved = f'The last good checkpoint is {last}' if last and Path(last).is_file() else 'No checkpoint was saved'
    return f'{saved}. Lower the learning rate, train without --amp, or check the training images.'
