"""Show the progress of a call: a bar, the rate, and the remaining time."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

Item = TypeVar('Item')


class Rate:
    """Measure the number of items per second.

    The results of Ray arrive in blocks. Within a block, there is hardly any time between two items, so the columns of
    rich would show a wrong rate. Therefore items that arrive within a second count together.

    Args:
        clock: function that returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.count = clock, 0
        self._starts: deque[tuple[float, int]] = deque(maxlen=31)  # times, and the numbers of items before them

    def add(self) -> None:
        """Count an item that has arrived now."""
        now = self.clock()
        if not self._starts or now - self._starts[-1][0] >= 1:
            self._starts.append((now, self.count))
        self.count += 1

    def per_second(self) -> float | None:
        """Return the rate of the last 30 seconds, or of the last 30 blocks; None if only one block has arrived."""
        if len(self._starts) < 2:
            return None
        (first, before), (last, until) = self._starts[0], self._starts[-1]
        return (until - before) / (last - first)


def show_progress(items: Iterable[Item], count: Callable[[], int | None]) -> Iterator[Item]:
    """Yield the items, and show the progress on standard error.

    Args:
        items: the items.
        count: function that returns the number of items, or None if it is unknown. It is called in a thread, because
            it can take minutes for millions of files. Until it returns, no remaining time is shown.
    """
    columns = (TextColumn('deraining'), BarColumn(), MofNCompleteColumn(), TextColumn('{task.fields[text]}'))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task, rate = progress.add_task('deraining', total=None, text=''), Rate()
        thread = threading.Thread(target=lambda: progress.update(task, total=count()), daemon=True)
        for item in items:
            if thread.ident is None:  # not earlier, because the thread would delay the first item
                thread.start()
            rate.add()
            yield item
            progress.update(task, advance=1, text=rate_text(rate, progress.tasks[task].total))
        if thread.ident is not None:
            thread.join(timeout=1)  # so that the total of a short call is shown


def rate_text(rate: Rate, total: float | None) -> str:
    """Return the rate and the remaining time, such as ``'4.0/s 0:01:30'``; '' if the rate is unknown."""
    per_second = rate.per_second()
    if per_second is None:
        return ''
    left = '' if total is None else f' {timedelta(seconds=max(0, round((total - rate.count) / per_second)))}'
    return f'{per_second:.1f}/s{left}'
