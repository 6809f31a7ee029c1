"""Limit the time of a request, and stop work whose result is no longer needed."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from torch import nn

#: Seconds between two checks whether somebody still waits for a request.
POLL_INTERVAL = 0.5


class RequestEndedError(Exception):
    """Raised to stop a request whose result nobody waits for any more."""


@contextmanager
def interruptible(network: nn.Module, is_over: Callable[[], bool]) -> Iterator[None]:
    """Inside a block, end the work of a network before its next layer if the request is over.

    Args:
        network: the network.
        is_over: returns whether the request is over.

    Raises:
        RequestEndedError: inside the block, from the network.
    """

    def check(*_: Any) -> None:
        if is_over():
            raise RequestEndedError

    handles = [module.register_forward_pre_hook(check) for module in network.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class RequestRunner:
    """Run requests one after another, each in its own thread.

    Args:
        time_limit: largest number of seconds of a request.
    """

    def __init__(self, time_limit: float) -> None:
        self.time_limit = time_limit
        self._models = threading.Lock()  # an ended request may still use the models for a moment

    def run(self, work: Callable[[Callable[[], bool]], Any]) -> Iterator[Any]:
        """Run a request.

        The caller closes the iterator if nobody waits for the result any more. The work then ends when it next checks
        whether the request is over.

        Args:
            work: function to run. Its argument is a function that returns whether the request is over.

        Yields:
            None about twice a second, and at last the result.

        Raises:
            TimeoutError: the request took longer than the limit.
        """
        over = threading.Event()
        future: Future = Future()

        def target() -> None:
            with self._models:
                try:
                    if over.is_set():
                        raise RequestEndedError
                    future.set_result(work(over.is_set))
                except BaseException as error:  # the caller gets it from the future
                    future.set_exception(error)

        threading.Thread(target=target, daemon=True).start()
        end = time.monotonic() + self.time_limit
        try:
            while not wait([future], POLL_INTERVAL).done:
                if time.monotonic() > end:
                    raise TimeoutError
                yield None
            yield future.result()
        finally:
            over.set()
