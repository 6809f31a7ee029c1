"""Read videos frame by frame, and write MP4 files."""

import mmap
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from mmderain.errors import InputError

from .files import atomic_write
from .image_header import MAX_PIXELS, require_pixels

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v')


def read_frames(path: str | Path, max_pixels: int = MAX_PIXELS) -> tuple[Iterator[np.ndarray], float]:
    """Open a video.

    Args:
        path: a video that OpenCV reads.
        max_pixels: largest number of pixels of a frame that is accepted; the header is checked before a frame is
            decoded.

    Returns:
        An iterator over its frames, BGR uint8 (H, W, 3), and the number of frames per second. After the last frame, the
        iterator raises an InputError if the header announces more frames, because the file is incomplete then.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is not a video, has no frames, or its frames are too large.
    """
    if not Path(path).is_file():
        kind = 'is a folder; expected a video' if Path(path).is_dir() else 'no such video'
        raise FileNotFoundError(f'{path}: {kind}')
    capture = cv2.VideoCapture(str(path))
    width, height = (int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    require_pixels(path, width, height, max_pixels)
    done, first = capture.read()
    if not done:
        raise InputError(f'{path}: cannot be read as a video; it is damaged, empty or of an unknown format')
    announced = _announced_frames(capture, path)

    def frames() -> Iterator[np.ndarray]:
        frame, number = first, 0
        try:
            while frame is not None:
                yield frame
                number += 1
                _, frame = capture.read()
        finally:
            capture.release()
        if number < announced:
            raise InputError(
                f'{path}: ends after {number} of {announced} frames; the file is incomplete or damaged. Copy it again, '
                'or cut it to the frames that can be read.'
            )

    return frames(), capture.get(cv2.CAP_PROP_FPS) or 25.0


def _announced_frames(capture: cv2.VideoCapture, path: str | Path) -> int:
    """Return how many frames at least a video has according to its header; 0 if the header does not say so.

    Matroska and WebM store no number of frames, and AVI counts repeated frames. In MP4 and MOV the number is exact, but
    an edit list can hide frames, so that it does not count there.
    """
    if Path(path).suffix.lower() not in ('.mp4', '.mov', '.m4v') or _has_edit_list(path):
        return 0
    return int(0.95 * capture.get(cv2.CAP_PROP_FRAME_COUNT))


def _has_edit_list(path: str | Path) -> bool:
    """Return whether the index of an MP4 or MOV file cuts frames from the start of the video.

    An edit list with a start other than 0 hides frames. The box ``elst`` has a version, flags, a number of entries, and
    for each entry a duration and a start, with 4 or (version 1) 8 bytes each.
    """
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        position = content.find(b'elst')
        while position >= 0:
            size = 8 if content[position + 4 : position + 5] == b'\1' else 4
            start = content[position + 12 + size : position + 12 + 2 * size]
            # -1 marks an empty entry, which delays the video.
            if int.from_bytes(start, 'big', signed=True) > 0:
                return True
            position = content.find(b'elst', position + 4)
    return False


def count_frames(path: str | Path) -> int:
    """Return the number of frames of a video that can be decoded, 0 if the file is not a video."""
    capture = cv2.VideoCapture(str(path))
    number = 0
    while capture.grab():
        number += 1
    capture.release()
    return number


def write_frames(
    frames: Iterable[np.ndarray], path: str | Path, rate: float, sound_from: str | Path | None = None
) -> bool:
    """Write an MP4 video, completely or not at all; its folder is created if it is missing.

    Args:
        frames: BGR uint8 (H, W, 3), all of one size, at least one.
        path: final path, ends in ``.mp4``.
        rate: frames per second.
        sound_from: a video whose sound is copied, up to the length of the new one. Needs the program ffmpeg.

    Returns:
        Whether the video has sound: False if ``sound_from`` has none, or ffmpeg is not installed.

    Raises:
        InputError: the name does not end in ``.mp4``, there is no frame, OpenCV cannot write such a video, or the
            written file cannot be read back completely, as on a full disk.
    """
    path = require_mp4(path)
    with atomic_write(path) as part:
        writer, number = None, 0
        for frame in frames:
            if writer is None:
                size = frame.shape[1::-1]
                writer = cv2.VideoWriter(str(part), cv2.VideoWriter.fourcc(*'mp4v'), rate, size)
                if not writer.isOpened():
                    raise InputError(f'{path}: OpenCV cannot write MP4 videos of {size[0]}x{size[1]} here')
            writer.write(frame)
            number += 1
        if writer is None:
            raise InputError(f'{path}: no frames to write')
        writer.release()
        # OpenCV reports no error if a frame cannot be written.
        written = count_frames(part)
        if written != number:
            raise InputError(
                f'{path}: only {written} of {number} frames could be written; is the disk full? The file was removed.'
            )
        return sound_from is not None and _copy_sound(part, sound_from, number / rate)


def require_mp4(path: str | Path) -> Path:
    """Return the path, or raise an InputError if it does not end in ``.mp4``."""
    path = Path(path)
    if path.suffix.lower() != '.mp4':
        raise InputError(f'{path}: expected a name that ends in .mp4')
    return path


def _copy_sound(video: Path, source: str | Path, seconds: float) -> bool:
    """Add the first seconds of the sound of ``source`` to a video; return False if there is no sound or no ffmpeg."""
    ffmpeg = shutil.which('ffmpeg')
    if ffmpeg is None:
        return False
    try:
        with atomic_write(video) as both:
            command = [ffmpeg, '-loglevel', 'error', '-y', '-i', video, '-i', source]
            command += ['-map', '0:v', '-map', '1:a', '-c:v', 'copy', '-t', f'{seconds:.6f}', both]
            subprocess.run([str(word) for word in command], capture_output=True, stdin=subprocess.DEVNULL, check=True)
    except subprocess.CalledProcessError:
        return False
    return True
