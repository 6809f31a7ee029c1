"""Run two steps of a pipeline at the same time, each in its own thread.

A step is one call for one item, such as decoding one frame. The calls of a step run in a single thread, one after
another, so that the order of the items does not change. FFmpeg, OpenCV and PyTorch release the global lock of Python.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar('T')

_END: Any = object()


def prefetch(items: Iterable[T], size: int = 4) -> Generator[T]:
    """Yield items that another thread produces ahead of time.

    Args:
        items: the items. They are only accessed in the other thread.
        size: largest number of items that are produced ahead of time.

    Raises:
        Exception: an exception that was raised when an item was produced.
    """
    iterator, pool = iter(items), ThreadPoolExecutor(1, 'mmderain-prefetch')
    try:
        waiting = deque(pool.submit(next, iterator, _END) for _ in range(size))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, iterator, _END))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)


class BackgroundCalls:
    """Make calls in another thread, one after another.

    At its end, the ``with`` block waits for all calls, also after an error in the block. After a call that fails, no
    later call is made.

    Args:
        size: largest number of calls that wait. :meth:`call` waits until there are fewer.
    """

    def __init__(self, size: int = 4) -> None:
        self._size = size
        self._pool = ThreadPoolExecutor(1, 'mmderain-calls')
        self._waiting: deque[Future] = deque()
        self._has_failed = False

    def __enter__(self) -> 'BackgroundCalls':
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: Any) -> None:
        try:
            while self._waiting:
                future = self._waiting.popleft()
                if kind is None:
                    future.result()
                else:
                    future.exception()  # waits; the error in the block is raised
        finally:
            self._pool.shutdown(cancel_futures=True)

    def call(self, function: Callable, *arguments: Any) -> None:
        """Add a call.

        Raises:
            Exception: an exception that was raised by an earlier call.
        """
        while len(self._waiting) >= self._size or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._run, function, *arguments))

    def _run(self, function: Callable, *arguments: Any) -> Any:
        if self._has_failed:
            return None
        try:
            return function(*arguments)
        except BaseException:
            self._has_failed = True
            raise
