"""Derain a sequence of numbered images, or derain a video to such a sequence."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from mmderain.errors import InputError
from mmderain.io.files import resolve
from mmderain.io.video import VideoOptions, has_pyav
from mmderain.io.video.frame import Frame
from mmderain.io.video.overlap import BackgroundCalls, prefetch
from mmderain.io.video.sequence import SequenceReader, is_pattern, require_pattern, write_numbered
from mmderain.io.video.simple import write_rgb_frames
from mmderain.models import Derainer

from .temporal import TemporalFilter
from .video_frames import derained_pairs
from .video_report import VideoReport

if TYPE_CHECKING:  # importing it needs PyAV
    from mmderain.io.video.reader import FrameReader


def derain_sequence(
    model: Derainer,
    source: Path,
    target: Path,
    batch_size: int,
    limit: int | None,
    max_pixels: int,
    options: VideoOptions,
    stop: Event | None = None,
) -> VideoReport:
    """Derain a sequence to a sequence or a video, or a video to a sequence.

    Images of a sequence keep their numbers. The frames of a video are numbered from 0. If the program is stopped,
    written images remain, but an incomplete video does not.

    Args:
        model: a derainer in ``eval()`` mode.
        source: path of a video, or of a sequence such as ``frames/%05d.png``.
        target: path of a video or of a sequence. At least one of the two paths is a sequence.
        batch_size: see :func:`~mmderain.apis.derain_video`.
        limit: see :func:`~mmderain.apis.derain_video`.
        max_pixels: see :func:`~mmderain.apis.derain_video`.
        options: see :func:`~mmderain.apis.derain_video`.
        stop: see :func:`~mmderain.apis.derain_video`.

    Raises:
        InputError: see :func:`~mmderain.apis.derain_video`. Also if an image has another size than the first one.
    """
    if options.shard != (0, 1):
        raise InputError('shard: sequences of images cannot be shared; derain a folder of images instead')
    if is_pattern(target) and is_pattern(source) and resolve(target) == resolve(source):
        raise InputError(f'{source}: the results would overwrite the images; name another target')
    if not has_pyav() and not (is_pattern(source) and is_pattern(target)):
        raise InputError(f'{source}: converting between images and a video needs PyAV; install mmderain[video]')
    if options.measure_flicker:
        raise InputError('measure_flicker: the flicker of sequences of images cannot be measured; use a video')
    frames: SequenceReader | FrameReader = (
        SequenceReader(source, max_pixels) if is_pattern(source) else _open_video(source, max_pixels)
    )
    count = 0

    def derained() -> Iterator[Frame]:
        nonlocal count
        steady = TemporalFilter(options.temporal, options.temporal_method)
        with closing(prefetch(islice(frames, limit))) as decoded:
            for pair in derained_pairs(model, decoded, batch_size, stop=stop):
                count += 1
                yield pair.rainy._replace(image=steady(pair.derained))

    notes: tuple[str, ...] = ()
    if is_pattern(target):
        _write_images(derained(), require_pattern(target), options, is_numbered=is_pattern(source))
    else:
        notes = write_rgb_frames(derained(), target, options.rate, options)
    if not isinstance(frames, SequenceReader):
        missing = frames.info.missing_frames(count, frames.damaged, limit)
        if missing:
            raise InputError(
                f'{source}: {missing} of {count + missing} frames are missing or cannot be decoded; the file is '
                f'incomplete or damaged. The other {count} frames are derained in {target}'
            )
    elif frames.has_alpha:
        notes = (*notes, f'{source}: its transparency is left out')
    return VideoReport(target, count, None, False, notes=notes)


def _open_video(source: Path, max_pixels: int) -> 'FrameReader':
    from mmderain.io.video.reader import FrameReader
    from mmderain.io.video.scan import scan_video

    return FrameReader(scan_video(source, max_pixels))


def _write_images(frames: Iterator[Frame], pattern: Path, options: VideoOptions, is_numbered: bool) -> None:
    with BackgroundCalls() as background:
        for number, frame in enumerate(frames):
            if options.bit_depth == 8 and frame.image.dtype == np.uint16:
                frame = frame._replace(image=((frame.image.astype(np.uint32) + 128) // 257).astype(np.uint8))
            background.call(write_numbered, frame, frame.time if is_numbered else number, pattern)
