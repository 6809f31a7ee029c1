"""Read and write videos with OpenCV. This is used if PyAV is not installed."""

import mmap
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from mmderain.errors import InputError

from ..files import atomic_write
from ..image_header import MAX_PIXELS, require_pixels
from .options import ffmpeg_path, require_file


def read_frames(path: str | Path, max_pixels: int = MAX_PIXELS) -> tuple[Iterator[np.ndarray], float]:
    """Open a video to read its frames one by one.

    Args:
        path: a video in a format that OpenCV can read.
        max_pixels: largest number of pixels that is accepted in a frame. The function checks the frame size in the
            header before it decodes a frame.

    Returns:
        An iterator over the frames, BGR uint8 (H, W, 3), and the frame rate in frames per second. If the frame rate is
        unknown, it is 25.

        After the last readable frame, the iterator checks whether the file is complete. It raises an InputError if it
        has read fewer than 95% of the frames that the header announces. Only MP4, MOV and M4V files are checked, and
        only if they have no edit list that may hide frames.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is not a video, has no frames, or has frames with too many pixels.
    """
    require_file(path)
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
                f'{path}: ends after {number} frames; expected at least {announced}. The file is incomplete or '
                'damaged. Copy it again, or save the readable frames as a new video.'
            )

    return frames(), capture.get(cv2.CAP_PROP_FPS) or 25.0


def _announced_frames(capture: cv2.VideoCapture, path: str | Path) -> int:
    """Return the number of frames below which a video counts as incomplete; 0 if this number is not known.

    The headers of MP4, MOV and M4V files contain the exact number of frames. The function returns 95% of this number,
    or 0 if an edit list may hide frames. For all other formats it returns 0. For example, Matroska and WebM files do
    not store the number of frames, and in AVI files the number also counts repeated frames.
    """
    if Path(path).suffix.lower() not in ('.mp4', '.mov', '.m4v') or _has_edit_list(path):
        return 0
    return int(0.95 * capture.get(cv2.CAP_PROP_FRAME_COUNT))


def _has_edit_list(path: str | Path) -> bool:
    """Return whether an MP4 or MOV file has an edit list that may hide frames.

    These files consist of data blocks that are called boxes. An edit list is a box of the type ``elst``. If its first
    entry has a start time above 0, video players hide the part of the track before this time. The function reads the
    first entry of each edit list in the file. It also returns True for an edit list of a sound track.

    An edit list consists of its type, the version (1 byte), flags (3 bytes), the number of entries (4 bytes), and the
    entries. An entry begins with the duration and the start time. Each of these two numbers has 8 bytes in version 1,
    and 4 bytes in version 0.
    """
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        position = content.find(b'elst')
        while position >= 0:
            size = 8 if content[position + 4 : position + 5] == b'\1' else 4
            start = content[position + 12 + size : position + 12 + 2 * size]
            # A start time of -1 marks an empty entry, which only delays the track.
            if int.from_bytes(start, 'big', signed=True) > 0:
                return True
            position = content.find(b'elst', position + 4)
    return False


def count_frames(path: str | Path) -> int:
    """Return the number of frames that can be decoded from a video; 0 if the file is not a video."""
    capture = cv2.VideoCapture(str(path))
    number = 0
    while capture.grab():
        number += 1
    capture.release()
    return number


def write_frames(
    frames: Iterable[np.ndarray], path: str | Path, rate: float, sound_from: str | Path | None = None
) -> bool:
    """Write an MP4 video, completely or not at all.

    Args:
        frames: at least one frame, BGR uint8 (H, W, 3). All frames must have the same size.
        path: final path. It must end in ``.mp4``. The folder is created if it does not exist.
        rate: frames per second.
        sound_from: a video from which the sound is copied, up to the length of the new video. Copying requires the
            program ffmpeg. None copies no sound.

    Returns:
        Whether the new video has sound. False if ``sound_from`` is None or has no sound, or if ffmpeg is not installed
        or fails.

    Raises:
        InputError: ``path`` does not end in ``.mp4``, there is no frame, OpenCV cannot write MP4 videos of this size,
            or the written file does not contain all frames, for example because the disk is full.
    """
    path = require_mp4(path)
    with atomic_write(path) as part:
        writer, number = None, 0
        for frame in frames:
            if writer is None:
                size = frame.shape[1::-1]
                writer = cv2.VideoWriter(str(part), cv2.VideoWriter.fourcc(*'mp4v'), rate, size)
                if not writer.isOpened():
                    raise InputError(
                        f'{path}: OpenCV on this machine cannot write MP4 videos of {size[0]}x{size[1]} pixels'
                    )
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
    """Return a path as a ``Path``, or raise an InputError if it does not end in ``.mp4``."""
    path = Path(path)
    if path.suffix.lower() != '.mp4':
        raise InputError(f'{path}: expected a name that ends in .mp4')
    return path


def _copy_sound(video: Path, source: str | Path, seconds: float) -> bool:
    """Add sound to a video: the first ``seconds`` seconds of the sound of ``source``.

    Returns:
        Whether the sound was added. False if ``source`` has no sound, or if ffmpeg is not installed or fails.
    """
    ffmpeg = shutil.which('ffmpeg')
    if ffmpeg is None:
        return False
    try:
        with atomic_write(video) as both:
            command = [ffmpeg, '-loglevel', 'error', '-y', '-i', ffmpeg_path(video), '-i', ffmpeg_path(source)]
            command += ['-map', '0:v', '-map', '1:a', '-c:v', 'copy', '-t', f'{seconds:.6f}', ffmpeg_path(both)]
            subprocess.run([str(word) for word in command], capture_output=True, stdin=subprocess.DEVNULL, check=True)
    except subprocess.CalledProcessError:
        return False
    return True
