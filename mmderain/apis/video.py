"""Derain a video frame by frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from mmderain.errors import InputError, require_whole_number
from mmderain.io.image import to_bgr_uint8, to_rgb_tensor
from mmderain.io.image_header import MAX_PIXELS
from mmderain.io.video import read_frames, require_mp4, write_frames
from mmderain.models import Derainer


@dataclass(frozen=True)
class VideoReport:
    """Result of :func:`derain_video`.

    Attributes:
        path: path of the written file.
        frames: number of frames.
        flicker: mean absolute change of the pixel values (0 to 255) from one frame to the next. The first value is for
            the rainy video, the second for the derained video. None for a single frame. Rain streaks change from frame
            to frame, so a good derainer reduces the flicker. Motion in the scene increases both values.
        audio: whether the written file has sound.
    """

    path: Path
    frames: int
    flicker: tuple[float, float] | None
    audio: bool


def derain_video(
    model: Derainer,
    source: str | Path,
    target: str | Path,
    batch_size: int = 1,
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> VideoReport:
    """Derain a video frame by frame, and write the result to an MP4 file.

    If an error is raised, the result file is not written. If ffmpeg is installed, the sound of the video is copied.

    Args:
        model: a derainer in ``eval()`` mode.
        source: path of a video that OpenCV can read.
        target: path of the result file, which must end in ``.mp4``. Its folder is created if it does not exist.
        batch_size: number of frames that are derained together. Default: 1.
        limit: number of frames to derain, from the start of the video. None derains all frames.
        max_pixels: largest number of pixels of a frame.

    Returns:
        The path, the number of frames, the flicker, and whether the file has sound.

    Raises:
        FileNotFoundError: the source does not exist.
        InputError: an argument is not as expected, the source cannot be read or is incomplete (see
            :func:`~mmderain.io.video.read_frames`), or the target cannot be written.
    """
    require_whole_number('batch_size', batch_size, 1)
    if limit is not None:
        require_whole_number('limit', limit, 1)
    target = require_mp4(target)
    if target.resolve() == Path(source).resolve():
        raise InputError(f'{source}: the result would overwrite the video itself; name another target')
    frames, rate = read_frames(source, max_pixels)
    changes, num_frames, previous = [], 0, None

    def derained() -> Iterator[np.ndarray]:
        nonlocal num_frames, previous
        device = next(model.parameters(), torch.empty(0)).device
        selected = islice(frames, limit)
        while batch := list(islice(selected, batch_size)):
            with torch.inference_mode():
                restored = model.restore(torch.stack([to_rgb_tensor(frame) for frame in batch]).to(device))
            for pair in zip(batch, map(to_bgr_uint8, restored), strict=True):
                yield pair[1]
                if previous is not None:
                    changes.append([_mean_change(a, b) for a, b in zip(previous, pair, strict=True)])
                previous, num_frames = pair, num_frames + 1

    audio = write_frames(derained(), target, rate, sound_from=source)
    flicker = None
    if changes:
        before, after = np.mean(changes, axis=0)
        flicker = float(before), float(after)
    return VideoReport(target, num_frames, flicker, audio)


def _mean_change(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean absolute difference between two images."""
    return np.abs(np.subtract(first, second, dtype=np.float32)).mean()
