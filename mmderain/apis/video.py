"""Derain a video frame by frame."""

from pathlib import Path
from threading import Event

from mmderain.errors import InputError, require_whole_number
from mmderain.io.files import resolve
from mmderain.io.image_header import MAX_PIXELS
from mmderain.io.video import VideoOptions, has_pyav, require_container
from mmderain.io.video.sequence import is_pattern
from mmderain.models import Derainer

from .video_frames import naming_source
from .video_opencv import derain_with_opencv
from .video_report import VideoReport
from .video_sequence import derain_sequence


def derain_video(
    model: Derainer,
    source: str | Path,
    target: str | Path,
    batch_size: int = 1,
    limit: int | None = None,
    max_pixels: int = MAX_PIXELS,
    options: VideoOptions | None = None,
    stop: Event | None = None,
) -> VideoReport:
    """Derain a video frame by frame, and write the result to a video file.

    Sound, subtitles, chapters and metadata are copied. Each frame keeps its time. The result file is written completely
    or not at all. A long video is derained in segments. If the program is stopped, the finished segments are kept in a
    hidden folder beside the result file, and the next call with the same arguments continues with them.

    Without PyAV (``pip install mmderain[video]``), OpenCV writes the video. ``target`` must then end in ``.mp4``, and
    the options must be the defaults. Browsers may not play this file. Its sound is copied if ffmpeg is installed.

    Args:
        model: a derainer in ``eval()`` mode.
        source: path of a video, or of a sequence of images: ``frames/%05d.png`` stands for all images whose names have
            five digits in place of ``%05d``.
        target: path of the result file, or of a sequence of images. The path of a video must end in one of the suffixes
            of :data:`~mmderain.io.video.CONTAINERS`. The folder of the target is created if it does not exist.
        batch_size: number of frames that are derained together. Default: 1.
        limit: number of frames to derain, from the start of the video. None derains all frames.
        max_pixels: largest number of pixels of a frame.
        options: codec, quality, sound and more. None uses the defaults of
            :class:`~mmderain.io.video.VideoOptions`.
        stop: if another thread or a signal handler sets this event, deraining stops after the current batch. The
            finished segments are kept. None never stops.

    Returns:
        The path, the number of frames, the flicker, and whether the file has sound.

    Raises:
        FileNotFoundError: the source does not exist.
        InputError: an argument is not as expected, the source cannot be read, or the target cannot be written. If the
            source is damaged or incomplete, the frames that can be decoded are derained and written, and then this
            error says how many frames are missing.
        NonFiniteError: the result of the network contains NaN or infinite values. The message names the source.
        VideoStoppedError: the event ``stop`` was set before the video was complete.
    """
    require_whole_number('batch_size', batch_size, 1)
    if limit is not None:
        require_whole_number('limit', limit, 1)
    options = options or VideoOptions()
    if is_pattern(source) or is_pattern(target):
        with naming_source(source):
            return derain_sequence(model, Path(source), Path(target), batch_size, limit, max_pixels, options, stop)
    target = require_container(target, options.codec)
    if resolve(target) == resolve(source):
        raise InputError(f'{source}: the result would overwrite the video itself; name another target')
    derain = derain_with_opencv
    if has_pyav():
        from .video_segments import derain_in_segments  # needs PyAV

        derain = derain_in_segments
    with naming_source(source):
        return derain(model, Path(source), target, batch_size, limit, max_pixels, options, stop)
