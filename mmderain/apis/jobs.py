"""Inputs on their way through the pipeline."""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

from .batches import Loaded
from .results import InputResult
from .sources import Source


@dataclass(eq=False)
class Job:
    """One input on its way through the pipeline.

    Attributes:
        source: the input.
        result: its result, which is filled step by step.
        reading: the task of a thread that reads the input.
        loaded: the input after it was read.
        writing: the task of a thread that writes the result. None if no such task exists.
        num_bytes: memory of the loaded input in bytes. Before the input is loaded, the memory of another input.
    """

    source: Source
    result: InputResult
    reading: Future | None = None
    loaded: Loaded | None = None
    writing: Future | None = None
    num_bytes: int = 0


def drop(jobs: deque[Job], waiting: deque[Job]) -> None:
    """Remove the inputs that the network has not derained."""
    while waiting:
        job = waiting.pop()
        if job.reading is not None:
            job.reading.cancel()
        jobs.remove(job)
