"""On SIGTERM or SIGINT, save a checkpoint after the current step, and stop the training."""

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

from .checkpoint_hook import SafeCheckpointHook, weights_are_updated
from .non_finite_hook import StopIfNotFiniteHook

#: Schedulers send SIGTERM before they kill a process; Ctrl+C sends SIGINT.
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Record of whether a signal has asked the program to stop.

    Attributes:
        number: number of the received signal. 0 if no signal has been received.
    """

    def __init__(self) -> None:
        self.number = 0

    def receive(self, number: int, _: FrameType | None) -> None:
        """Handle a signal. SIGINT interrupts the current step if a signal was received before.

        Raises:
            KeyboardInterrupt: a signal was received before, and ``number`` is SIGINT.
        """
        if self.number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number
        # The program that reads the output may have ended already, for example after Ctrl+C in `... | tee`.
        with contextlib.suppress(OSError):
            os.write(2, f'{signal.Signals(number).name}: the training stops after this step\n'.encode())


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Catch SIGTERM and SIGINT while a ``with`` block runs.

    This changes the signal handlers of the process. Therefore only programs may call it, not libraries.

    Yields:
        The request, which :class:`StopHook` reads.

    Raises:
        Stopped: a signal ended a loader process, and the current step could not be completed.
    """
    request = StopRequest()
    before = {number: signal.signal(number, request.receive) for number in SIGNALS}
    is_active = True

    def shield_loader() -> None:
        # Ctrl+C sends SIGINT to all processes of the group. The current step would fail without its loader processes.
        # Therefore each loader process forms a new group. A loader process still ends when its parent process ends.
        if is_active:
            os.setpgid(0, 0)
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    if hasattr(os, 'register_at_fork'):  # Windows does not fork
        os.register_at_fork(after_in_child=shield_loader)
    try:
        yield request
    except RuntimeError as error:
        # Some schedulers send SIGTERM to the loader processes too.
        if request.number and 'DataLoader worker' in str(error):
            text = 'stopped during a step; if a checkpoint was saved, continue from it with --resume'
            raise Stopped(request.number, text) from None
        raise
    finally:
        is_active = False
        for number, handler in before.items():
            signal.signal(number, handler)


class StopHook(Hook):
    """After a signal, save a checkpoint at the end of the current step, and stop the training.

    Special cases:

    * A training by epochs can continue only from the end of an epoch. In the middle of an epoch, it stops without
      saving a checkpoint. In the last step of an epoch, it stops after the end of this epoch.
    * During a validation, the training completes the validation and one more step.
    * If gradients are accumulated over several steps, the training completes these steps.

    Args:
        request: the request of :func:`stop_on_signals`.

    Raises:
        Stopped: one of the processes has received a signal during the training.
    """

    priority = 'LOWEST'  # after the hook that saves checkpoints

    def __init__(self, request: StopRequest) -> None:
        self.request = request

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Stop if one of the processes has received a signal."""
        number = torch.tensor(self.request.number)
        all_reduce(number, 'max')  # all processes stop after the same step
        if not number:
            return
        if self._by_epoch(runner):
            if batch_idx + 1 == len(runner.train_dataloader):
                return
        elif not weights_are_updated(runner):
            return
        self._stop(runner, int(number), runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop after a complete epoch if a process has received a signal in the last step of the epoch."""
        number = torch.tensor(self.request.number)
        all_reduce(number, 'max')
        if number and self._by_epoch(runner):
            self._stop(runner, int(number), runner.iter)  # mmengine has already counted the last step

    @staticmethod
    def _by_epoch(runner: Runner) -> bool:
        """Return whether checkpoints are saved after epochs."""
        return any(isinstance(hook, SafeCheckpointHook) and hook.by_epoch for hook in runner.hooks)

    @staticmethod
    def _stop(runner: Runner, number: int, step: int) -> None:
        """Stop the training. If checkpoints are saved after steps and not after epochs, save a checkpoint first."""
        StopIfNotFiniteHook.check_weights(runner)
        for hook in runner.hooks:
            if isinstance(hook, SafeCheckpointHook) and not hook.by_epoch:
                hook.save_now(runner)
        last = runner.message_hub.runtime_info.get('last_ckpt')
        state = f'the last checkpoint is {last}; continue with --resume' if last else 'there is no checkpoint yet'
        raise Stopped(number, f'stopped after step {step}; {state}')
