"""Derain a video with OpenCV. This is used if PyAV is not installed."""

from collections.abc import Iterator
from dataclasses import fields
from itertools import islice
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import torch

from mmderain.errors import InputError
from mmderain.io.image import to_bgr_uint8, to_rgb_tensor
from mmderain.io.video import VideoOptions
from mmderain.io.video.opencv import read_frames, require_mp4, write_frames
from mmderain.models import Derainer

from .temporal import TemporalFilter
from .video_report import VideoReport, VideoStoppedError

#: Shown for each video that OpenCV writes.
NOTE = (
    '{}: written by OpenCV as MPEG-4 Part 2, which browsers may not play; run pip install "mmderain[video]" to write '
    'H.264'
)


def derain_with_opencv(
    model: Derainer,
    source: Path,
    target: Path,
    batch_size: int,
    limit: int | None,
    max_pixels: int,
    options: VideoOptions,
    stop: Event | None = None,
) -> VideoReport:
    """Derain a video, see :func:`~mmderain.apis.derain_video`.

    Raises:
        InputError: see :func:`~mmderain.apis.derain_video`. Also if an option needs PyAV.
    """
    kept = {name: getattr(options, name) for name in ('measure_flicker', 'temporal', 'temporal_method')}
    default = VideoOptions(**kept)
    changed = [entry.name for entry in fields(options) if getattr(options, entry.name) != getattr(default, entry.name)]
    if changed:
        raise InputError(f'{", ".join(changed)}: such video options need PyAV; run pip install "mmderain[video]"')
    require_mp4(target)
    frames, rate = read_frames(source, max_pixels)
    changes, num_frames, previous = [], 0, None
    steady = TemporalFilter(options.temporal, options.temporal_method)

    def derained() -> Iterator[np.ndarray]:
        nonlocal num_frames, previous
        device = next(model.parameters(), torch.empty(0)).device
        selected = islice(frames, limit)
        while batch := list(islice(selected, batch_size)):
            if stop is not None and stop.is_set():
                raise VideoStoppedError('stopped before the video was complete')
            with torch.inference_mode():
                restored = model.restore(torch.stack([to_rgb_tensor(frame) for frame in batch]).to(device))
            for pair in zip(batch, map(steady, map(to_bgr_uint8, restored)), strict=True):
                yield pair[1]
                if previous is not None and options.measure_flicker:
                    changes.append([mean_change(a, b) for a, b in zip(previous, pair, strict=True)])
                previous, num_frames = pair, num_frames + 1

    audio = write_frames(derained(), target, rate, sound_from=source)
    flicker = None
    if changes:
        before, after = np.mean(changes, axis=0)
        flicker = float(before), float(after)
    return VideoReport(target, num_frames, flicker, audio, notes=(NOTE.format(target),))


def mean_change(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean absolute difference between two images on the scale 0 to 255."""
    scale = 255 / np.iinfo(first.dtype).max
    return cv2.norm(first, second, cv2.NORM_L1) / first.size * scale
