"""Stop a training on SIGTERM or SIGINT after its step, with a checkpoint from which it can continue."""

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmderain.errors import Stopped

from .checkpoint_hook import SafeCheckpointHook
from .non_finite_hook import StopIfNotFiniteHook

#: Schedulers send SIGTERM before they kill a process; Ctrl+C sends SIGINT.
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether a signal asked the program to stop.

    Attributes:
        number: number of the signal, 0 if there was none.
    """

    def __init__(self) -> None:
        self.number = 0

    def receive(self, number: int, _: FrameType | None) -> None:
        """Handle a signal. A second SIGINT does not wait for the end of the step."""
        if self.number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number
        with contextlib.suppress(OSError):  # the reader of the output may have ended, as after Ctrl+C in `... | tee`
            os.write(2, f'{signal.Signals(number).name}: the training stops after this step\n'.encode())


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Catch SIGTERM and SIGINT inside a block, for programs that own their process.

    Yields:
        The request, which :class:`StopHook` reads.

    Raises:
        Stopped: a signal ended loader processes, so that the step could not be completed.
    """
    request = StopRequest()
    before = {number: signal.signal(number, request.receive) for number in SIGNALS}
    is_active = True

    def shield_loader() -> None:
        # Ctrl+C signals the whole process group. The step would fail without its loader processes, so they form groups
        # of their own. They end with their parent.
        if is_active:
            os.setpgid(0, 0)
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    if hasattr(os, 'register_at_fork'):  # Windows does not fork
        os.register_at_fork(after_in_child=shield_loader)
    try:
        yield request
    except RuntimeError as error:
        # Some schedulers also signal the loader processes.
        if request.number and 'DataLoader worker' in str(error):
            text = 'stopped within a step; if there is a checkpoint, --resume continues from the last one'
            raise Stopped(request.number, text) from None
        raise
    finally:
        is_active = False
        for number, handler in before.items():
            signal.signal(number, handler)


class StopHook(Hook):
    """Save a checkpoint and end the training after a step, if a signal asked for it.

    Training by epochs can only continue at the start of an epoch. It saves no checkpoint within an epoch, and continues
    from the last one. After the last step of an epoch, it stops when the epoch is complete. A running validation is
    completed first.

    Args:
        request: the request of :func:`stop_on_signals`.

    Raises:
        Stopped: in training, after a signal to one of the processes.
    """

    priority = 'LOWEST'  # after the hook that saves checkpoints

    def __init__(self, request: StopRequest) -> None:
        self.request = request

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Stop if one of the processes received a signal."""
        number = torch.tensor(self.request.number)
        all_reduce(number, 'max')  # all processes stop after the same step
        if not number or (self._by_epoch(runner) and batch_idx + 1 == len(runner.train_dataloader)):
            return
        self._stop(runner, int(number), runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop after a complete epoch if a process received a signal in its last step."""
        number = torch.tensor(self.request.number)
        all_reduce(number, 'max')
        if number and self._by_epoch(runner):
            self._stop(runner, int(number), runner.iter)  # mmengine has counted the step already

    @staticmethod
    def _by_epoch(runner: Runner) -> bool:
        """Return whether checkpoints are saved after epochs."""
        return any(isinstance(hook, SafeCheckpointHook) and hook.by_epoch for hook in runner.hooks)

    @staticmethod
    def _stop(runner: Runner, number: int, step: int) -> None:
        """Save a checkpoint if the training can continue from here, and end the training."""
        StopIfNotFiniteHook.check_weights(runner)
        for hook in runner.hooks:
            if isinstance(hook, SafeCheckpointHook) and not hook.by_epoch:
                hook.save_now(runner)
        last = runner.message_hub.runtime_info.get('last_ckpt')
        state = f'the last checkpoint is {last}; continue with --resume' if last else 'there is no checkpoint yet'
        raise Stopped(number, f'stopped after step {step}; {state}')
