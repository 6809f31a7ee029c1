import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

from mmderain.errors import InputError
from mmderain.image import to_bgr_uint8, to_rgb_tensor
from mmderain.models import Derainer

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v')


@dataclass(frozen=True)
class VideoReport:
    """What came of a video.

    Attributes:
        path: the file written. frames: their number.
        flicker: mean absolute change from a frame to the next, levels of 255, before and after. Rain, which is
            elsewhere in each frame, flickers; what moves in the scene counts in both. None of a single frame.
        audio: whether the sound came along.
    """

    path: Path
    frames: int
    flicker: tuple[float, float] | None
    audio: bool


def read_frames(path: str | Path) -> tuple[Iterator[np.ndarray], float]:
    """Frames, BGR uint8 (H, W, 3), one by one, and how many there are a second.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is no video, or one without frames.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such video')
    capture = cv2.VideoCapture(str(path))
    done, first = capture.read()
    if not done:
        raise InputError(f'{path}: cannot be read as a video; it is damaged, empty or of an unknown format')

    def frames() -> Iterator[np.ndarray]:
        frame = first
        while frame is not None:
            yield frame
            _, frame = capture.read()
        capture.release()

    return frames(), capture.get(cv2.CAP_PROP_FPS) or 25.0


def write_frames(frames: Iterable[np.ndarray], path: str | Path, rate: float) -> Path:
    """Write an MP4 video, complete or not at all; the folder is made if missing.

    Args:
        frames: (H, W, 3) BGR uint8, all of one size, at least one. rate: of them a second.

    Raises:
        InputError: the name does not end in ``.mp4``, or OpenCV cannot write such a video.
    """
    path = named_mp4(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part, writer = path.with_name(f'.{path.stem}.part.mp4'), None
    try:
        for frame in frames:
            if writer is None:
                size = frame.shape[1::-1]
                writer = cv2.VideoWriter(str(part), cv2.VideoWriter_fourcc(*'mp4v'), rate, size)
                if not writer.isOpened():
                    raise InputError(f'{path}: OpenCV cannot write MP4 videos of {size[0]}x{size[1]} here')
            writer.write(frame)
        if writer is None:
            raise InputError(f'{path}: no frames to write')
        writer.release()
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def derain_video(
    model: Derainer, source: str | Path, target: str | Path, batch_size: int = 1, limit: int | None = None
) -> VideoReport:
    """Derain a video frame by frame into an MP4 file, complete or not at all; with its sound, where ffmpeg is at hand.

    Args:
        source: a video that OpenCV reads.
        target: ends in ``.mp4``; its folder is made if missing.
        batch_size: frames that are worked on together.
        limit: so many frames from the start; None takes all.

    Raises:
        FileNotFoundError, InputError: the source cannot be read, or the target not written.
    """
    target = named_mp4(target)
    if target.resolve() == Path(source).resolve():
        raise InputError(f'{source}: its result would overwrite it; name another target')
    frames, rate = read_frames(source)
    changes, number, last = [], 0, None

    def derained() -> Iterator[np.ndarray]:
        nonlocal number, last
        device = next(model.parameters(), torch.empty(0)).device
        taken = islice(frames, limit)
        while batch := list(islice(taken, batch_size)):
            with torch.inference_mode():
                restored = model.restore(torch.stack([to_rgb_tensor(frame) for frame in batch]).to(device))
            for pair in zip(batch, map(to_bgr_uint8, restored), strict=True):
                yield pair[1]
                if last is not None:
                    changes.append([change(a, b) for a, b in zip(last, pair, strict=True)])
                last, number = pair, number + 1

    silent = write_frames(derained(), target.with_name(f'.{target.stem}.silent{target.suffix}'), rate)
    try:
        audio = _add_sound(silent, source, number / rate)
        os.replace(silent, target)
    finally:
        silent.unlink(missing_ok=True)
    flicker = tuple(float(value) for value in np.mean(changes, axis=0)) if changes else None
    return VideoReport(target, number, flicker, audio)


def named_mp4(path: str | Path) -> Path:
    """The path, if its name ends so; else an InputError."""
    path = Path(path)
    if path.suffix.lower() != '.mp4':
        raise InputError(f'{path}: expected a name that ends in .mp4')
    return path


def change(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference."""
    return np.abs(np.subtract(one, other, dtype=np.float32)).mean()


def _add_sound(video: Path, source: str | Path, seconds: float) -> bool:
    """So much of the sound of ``source`` into ``video``, by ffmpeg; False if there is none, or no ffmpeg."""
    ffmpeg = shutil.which('ffmpeg')
    if ffmpeg is None:
        return False
    both = video.with_name(f'{video.name}.sound.mp4')
    command = [ffmpeg, '-loglevel', 'error', '-y', '-i', video, '-i', source]
    command += ['-map', '0:v', '-map', '1:a', '-c:v', 'copy', '-t', f'{seconds:.6f}', both]
    done = subprocess.run([str(word) for word in command], capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        os.replace(both, video)
    both.unlink(missing_ok=True)
    return done.returncode == 0
