"""Derain the frames of a video in batches."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np
import torch

from mmderain.errors import NonFiniteError
from mmderain.io.video.frame import Frame
from mmderain.io.video.tensors import PendingImages, images_to_tensor
from mmderain.models import Derainer

from .video_report import VideoStoppedError


class Pair(NamedTuple):
    """A frame before and after deraining."""

    rainy: Frame
    derained: np.ndarray


@contextmanager
def naming_source(source: str | int | Path) -> Iterator[None]:
    """Put the name of a video before the message of an error that the result of a network raises in the block."""
    try:
        yield
    except NonFiniteError as error:
        raise NonFiniteError(error.reason, names=[str(source)]) from None


def derained_pairs(
    model: Derainer, frames: Iterator[Frame], batch_size: int, ahead: int = 1, stop: Event | None = None
) -> Iterator[Pair]:
    """Derain frames in batches.

    On a GPU, the network gets a batch before the result of the previous batch is copied, so that it does not wait.

    Args:
        model: a derainer in ``eval()`` mode.
        frames: RGB frames of the same size.
        batch_size: number of frames that are derained together.
        ahead: number of batches that the network gets before the result of a batch is copied. 0 has the shortest delay.
        stop: see :func:`~mmderain.apis.derain_video`.

    Raises:
        VideoStoppedError: ``stop`` was set.
    """
    device = next(model.parameters(), torch.empty(0)).device
    waiting: deque[tuple[list[Frame], PendingImages]] = deque()
    while batch := list(islice(frames, batch_size)):
        if stop is not None and stop.is_set():
            raise VideoStoppedError('stopped before the video was complete')
        with torch.inference_mode():
            restored = model.restore(images_to_tensor([frame.image for frame in batch], device))
            waiting.append((batch, PendingImages(restored, batch[0].image.dtype)))
        if len(waiting) > ahead:
            yield from _finished(*waiting.popleft())
    while waiting:
        yield from _finished(*waiting.popleft())


def _finished(batch: list[Frame], pending: PendingImages) -> Iterator[Pair]:
    for frame, image in zip(batch, pending.wait(), strict=True):
        yield Pair(frame, image)
