"""Show the progress of a call: a bar, the rate, and the remaining time."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Item = TypeVar('Item')


class RateColumn(ProgressColumn):
    """Column that shows the number of inputs per second."""

    def render(self, task: Task) -> Text:
        """Return the text of the column."""
        speed = task.finished_speed or task.speed
        return Text('' if speed is None else f'{speed:.1f}/s', style='progress.data.speed')


def show_progress(items: Iterable[Item], count: Callable[[], int | None]) -> Iterator[Item]:
    """Yield the items, and show the progress on standard error.

    Args:
        items: the items.
        count: function that returns the number of items, or None if it is unknown. It is called in a thread, because
            it can take minutes for millions of files. Until it returns, no remaining time is shown.
    """
    columns = (TextColumn('deraining'), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task('deraining', total=None)
        thread = threading.Thread(target=lambda: progress.update(task, total=count()), daemon=True)
        for item in items:
            if thread.ident is None:  # not earlier, because the thread would delay the first item
                thread.start()
            yield item
            progress.advance(task)
        if thread.ident is not None:
            thread.join(timeout=1)  # so that the total of a short call is shown
