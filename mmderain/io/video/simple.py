"""Read the frames of a video as arrays, and write arrays as a video."""

import importlib.util
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mmderain.errors import InputError

from ..files import atomic_write
from ..image_header import MAX_PIXELS
from . import opencv
from .frame import Frame
from .options import VideoOptions, ffmpeg_path, require_container

if TYPE_CHECKING:  # importing it needs PyAV
    from .info import VideoInfo


def has_pyav() -> bool:
    """Return whether the package PyAV is installed."""
    try:
        return importlib.util.find_spec('av') is not None
    except ValueError:  # the module was marked as missing
        return False


def read_frames(path: str | Path, max_pixels: int = MAX_PIXELS) -> tuple[Iterator[np.ndarray], float]:
    """Open a video to read its frames one by one.

    Args:
        path: a video in a format that FFmpeg can read. Without PyAV, a format that OpenCV can read.
        max_pixels: largest number of pixels that is accepted in a frame. The function checks the frame size in the
            header before it decodes a frame.

    Returns:
        An iterator over the upright frames, BGR uint8 (H, W, 3), and the frame rate in frames per second. If the frame
        rate is unknown, it is 25.

        After the last readable frame, the iterator raises an InputError if the file is damaged or incomplete, see
        :meth:`~mmderain.io.video.info.VideoInfo.missing_frames`.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is not a video, has no frames, or has frames with too many pixels.
    """
    if not has_pyav():
        return opencv.read_frames(path, max_pixels)
    from .reader import FrameReader
    from .scan import scan_video

    info = scan_video(path, max_pixels)
    reader = FrameReader(info, like_opencv=True)

    def frames() -> Iterator[np.ndarray]:
        number = 0
        for frame in reader:
            yield frame.image
            number += 1
        if missing := info.missing_frames(number, reader.damaged):
            raise InputError(incomplete_message(path, number, missing))

    return frames(), float(info.rate)


def incomplete_message(path: str | Path, readable: int, missing: int) -> str:
    """Return the error message for a video in which frames are missing."""
    return (
        f'{path}: {missing} of {readable + missing} frames are missing or cannot be decoded; the file is incomplete '
        'or damaged. Copy it again, or continue with the readable frames.'
    )


def write_frames(
    frames: Iterable[np.ndarray], path: str | Path, rate: float, options: VideoOptions | None = None
) -> None:
    """Write a video without sound, completely or not at all.

    Without PyAV, OpenCV writes MPEG-4 Part 2, which browsers may not play, and ``options`` is ignored.

    Args:
        frames: at least one frame, BGR uint8 (H, W, 3). All frames must have the same size.
        path: final path. It must end in ``.mp4``. The folder is created if it does not exist.
        rate: frames per second.
        options: codec, quality and pixel format. None uses H.264.

    Raises:
        InputError: ``path`` does not end in ``.mp4``, there is no frame, a frame has another size than the first one,
            or the file cannot be written, for example because the disk is full.
    """
    path = opencv.require_mp4(path)
    if not has_pyav():
        opencv.write_frames(frames, path, rate)
        return
    converted = (Frame(number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)) for number, image in enumerate(frames))
    write_rgb_frames(converted, path, rate, options or VideoOptions())


def write_rgb_frames(frames: Iterable[Frame], path: Path, rate: float, options: VideoOptions) -> tuple[str, ...]:
    """Write a video with PyAV, completely or not at all.

    Args:
        frames: at least one frame, RGB uint8 or uint16. All frames must have the same size. Their times are ignored.
        path: final path. Its suffix chooses the file format.
        rate: frames per second.
        options: codec, quality and pixel format.

    Returns:
        Sentences that tell the user what differs from the frames, see :class:`~mmderain.io.video.encoder.Encoding`.

    Raises:
        InputError: see :func:`write_frames`.
    """
    from .encoder import SegmentWriter, choose_encoding, writing_to

    require_container(path, options.codec)
    with atomic_write(path) as part:
        writer, number = None, 0
        try:
            for frame in frames:
                height, width = frame.image.shape[:2]
                if writer is None:
                    bits = 8 if frame.image.dtype == np.uint8 else 16
                    info = plain_video(path, width, height, rate, bits)
                    encoding = choose_encoding(info, options)
                    with writing_to(path):
                        writer = SegmentWriter(part, encoding, faststart=True)
                elif (height, width) != (info.height, info.width):
                    raise InputError(
                        f'{path}: frame {number} has {width}x{height} pixels; expected {info.width}x{info.height} as '
                        'in the first frame'
                    )
                with writing_to(path):
                    writer.write(frame._replace(time=number))
                number += 1
            if writer is None:
                raise InputError(f'{path}: no frames to write')
            with writing_to(path):
                writer.close()
                written = count_packets(part)
        except BaseException:
            if writer is not None:
                writer.abort()
            raise
        if written != number:
            raise InputError(
                f'{path}: only {written} of {number} frames could be written; is the disk full? The file was removed.'
            )
    return encoding.notes


def plain_video(path: Path, width: int, height: int, rate: float, bit_depth: int = 8) -> 'VideoInfo':
    """Return the properties of a new video with a constant rate. The unit of its times is one frame."""
    from .info import LIMITED_RANGE, Colors, VideoInfo, assumed_matrix

    exact = Fraction(rate).limit_denominator(1001)
    return VideoInfo(
        path=path,
        stream=0,
        container='mp4',
        width=width,
        height=height,
        rate=exact,
        time_base=1 / exact,
        bit_depth=bit_depth,
        colors=Colors(assumed_matrix(height), LIMITED_RANGE, primaries=2, transfer=2),
        sample_aspect_ratio=None,
        orientation=(0, False),
        times=(),
        keys=(),
        has_presentation_times=True,
        announced=0,
        start=Fraction(0),
    )


def count_packets(path: Path) -> int:
    """Return the number of packets of the first video stream of a file that can be read."""
    import av

    with av.open(ffmpeg_path(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))
