"""Limit the time of a request, and stop a request whose result is no longer needed."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from torch import nn

#: Seconds between two checks whether the caller still waits for the result of a request.
POLL_INTERVAL = 0.5


class RequestEndedError(Exception):
    """Exception that stops a request whose result is no longer needed."""


@contextmanager
def interruptible(network: nn.Module, is_over: Callable[[], bool]) -> Iterator[None]:
    """Stop a network before its next layer if the request is over. This works inside a ``with`` block.

    Args:
        network: the network that the request runs.
        is_over: function that returns whether the request is over.

    Raises:
        RequestEndedError: the request is over when the network is called, or before one of its layers.
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
        time_limit: longest time of a request in seconds.
    """

    def __init__(self, time_limit: float) -> None:
        self.time_limit = time_limit
        self._models = threading.Lock()  # a stopped request may still use the models for a moment

    def run(self, work: Callable[[Callable[[], bool]], Any]) -> Iterator[Any]:
        """Run a request.

        If the result is no longer needed, the caller closes the iterator. The request is then over. ``work`` should
        regularly check whether the request is over, and then stop.

        Args:
            work: function to run. Its argument is a function that returns whether the request is over.

        Yields:
            None about twice a second while the request runs, and then the result of ``work``.

        Raises:
            TimeoutError: the request took longer than ``time_limit``.
            Exception: ``work`` raised this exception.
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
