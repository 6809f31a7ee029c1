"""Find out the properties of a video file, and how many frames are missing in it."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import av.container
import numpy as np

from mmderain.errors import InputError

from ..image_header import MAX_PIXELS, require_pixels
from .endings import asf_seconds, has_incomplete_packet
from .hdr import read_hdr
from .info import (
    FULL_RANGE,
    LIMITED_RANGE,
    RGB_MATRIX,
    UNSPECIFIED_MATRIX,
    Colors,
    VideoInfo,
    assumed_matrix,
    is_frame,
    main_stream,
    open_video,
    until_damage,
)

#: Formats whose header contains the duration. Matroska and FLV files have one duration for all streams together.
_FORMATS_WITH_DURATION = ('matroska', 'flv', 'asf')
#: Formats whose times usually start at 0. All other formats may start at any time.
_FORMATS_FROM_ZERO = ('mov', 'matroska', 'avi', 'asf')


def scan_video(path: str | Path, max_pixels: int = MAX_PIXELS) -> VideoInfo:
    """Read the properties of a video, and the time of each of its packets. Only the first frame is decoded.

    Args:
        path: a video in any format that FFmpeg can read.
        max_pixels: largest number of pixels of a frame. The size in the header is checked before a frame is decoded.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is not a video, no frame can be decoded, or the frames have too many pixels.
    """
    path = Path(path)
    with open_video(path) as container:
        stream = main_stream(container, path)
        require_pixels(path, stream.codec_context.width, stream.codec_context.height, max_pixels)
        frame = _first_frame(container, stream)
        if frame is None:
            raise InputError(f'{path}: cannot be read as a video; it is damaged, or its frames cannot be decoded')
        require_pixels(path, frame.width, frame.height, max_pixels)
        reorders = stream.codec_context.has_b_frames
    with open_video(path) as container:
        stream = main_stream(container, path)
        packets = _read_packets(container, stream)
        times = packets.times
        rate = _rate(stream)
        missing = _missing_frames(path, container, stream, packets, rate)
        if not missing and has_incomplete_packet(path, container.format.name):
            missing = 1  # the number is unknown
        time_base = stream.time_base or 1 / rate
        known = None not in times and not (container.format.name == 'avi' and reorders)
        if None in times:
            time_base = 1 / rate
            times = [*range(len(times))]
        elif not known:
            times = [*sorted(time for time in times if time is not None)]
        start = Fraction(container.start_time or 0, av.time_base)
        from_zero = container.format.name.startswith(_FORMATS_FROM_ZERO)
        turns, mirrored = _orientation(frame)
        ratio = stream.sample_aspect_ratio or None
        return VideoInfo(
            path=path,
            stream=stream.index,
            container=container.format.name,
            width=frame.height if turns % 2 else frame.width,
            height=frame.width if turns % 2 else frame.height,
            rate=rate,
            time_base=time_base,
            bit_depth=max(component.bits for component in frame.format.components),
            colors=_colors(frame),
            sample_aspect_ratio=1 / ratio if ratio and turns % 2 else ratio,
            orientation=(turns, mirrored),
            times=tuple(times),
            keys=tuple(packets.keys),
            has_presentation_times=known,
            announced=len(times) + missing,
            start=Fraction(0) if from_zero else start,
            has_alpha=any(component.is_alpha for component in frame.format.components),
            hdr=read_hdr(frame),
            is_interlaced=frame.interlaced_frame,
        )


def _rate(stream: av.VideoStream) -> Fraction:
    """Return the average number of frames per second, or 25 if it is not known."""
    average, guessed = stream.average_rate, stream.guessed_rate
    if average and guessed and average > 4 * guessed:  # for DV files, FFmpeg returns the units of time per second
        return guessed
    return average or guessed or Fraction(25)


def _first_frame(container: av.container.InputContainer, stream: av.VideoStream) -> av.VideoFrame | None:
    for packet in until_damage(container.demux(stream)):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:  # the packet is damaged; a later one may not be
            continue
        if frames:
            return frames[0]
    return None


@dataclass
class _Packets:
    """Facts about the packets of the video stream, and about the end of the file."""

    times: list[int | None] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    corrupt: int = 0
    last_dts: int = -1
    last_second: float = 0.0


def _read_packets(container: av.container.InputContainer, stream: av.VideoStream) -> _Packets:
    found, waiting = _Packets(), False
    for packet in until_damage(container.demux()):
        if packet.stream_index == stream.index and packet.dts is not None:
            found.last_dts = max(found.last_dts, packet.dts)
        if packet.size == 0:
            continue
        if packet.pts is not None and packet.time_base:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            found.last_second = max(found.last_second, end)
        if packet.stream_index != stream.index:
            continue
        # Decoding starts at a hidden key packet if the first frames after it are hidden by an edit list.
        waiting |= packet.is_keyframe and packet.is_discard
        if is_frame(packet):
            if packet.is_keyframe or waiting:
                found.keys.append(len(found.times))
            waiting = False
            found.corrupt += packet.is_corrupt
            found.times.append(packet.pts)
    return found


def _missing_frames(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream, packets: _Packets, rate: Fraction
) -> int:
    """Return the number of frames that are announced by the header or by the times, but have no packet."""
    name, count = container.format.name, len(packets.times)
    if name.startswith('mov'):
        return max(0, sum(not entry.is_discard for entry in stream.index_entries) - count)
    if name == 'avi':  # the number of frames in the header includes repeated frames, which are empty packets
        return max(0, stream.frames - packets.last_dts - 1)
    missing = _missing_in_gaps(packets)
    seconds = None if container.duration is None else container.duration / av.time_base
    if name == 'asf':
        seconds = asf_seconds(path)
    if name.startswith(_FORMATS_WITH_DURATION) and seconds is not None:
        # The duration in FLV files counts from 0, not from the first frame.
        end = seconds + (0 if name == 'flv' else (container.start_time or 0) / av.time_base)
        lost = round((float(end) - packets.last_second) * rate)
        # The durations in these headers are rounded, and some programs estimate them.
        missing += lost if lost > max(2, 0.01 * count) else 0
    return missing


def _missing_in_gaps(packets: _Packets) -> int:
    """Return the number of frames that are missing between the packets of a video with a constant rate.

    The rate counts as constant if it is constant for 95% of the frames. A longer distance between two frames can then
    mean that packets are missing. Gaps of fewer than six frames are counted only if a packet is marked as corrupt,
    because cameras also skip single frames.
    """
    if None in packets.times or len(packets.times) < 10:
        return 0
    steps = np.diff(np.sort(np.array(packets.times, np.int64)))
    usual = max(1, int(np.median(steps)))
    if np.mean(np.abs(steps - usual) <= max(1, usual / 10)) < 0.95:
        return 0
    lost = np.rint(steps / usual).astype(int) - 1
    return int(lost[lost >= (1 if packets.corrupt else 6)].sum())


def _colors(frame: av.VideoFrame) -> Colors:
    """Return the meaning of the colors. Unknown values are replaced by those that players assume."""
    is_rgb = frame.format.is_rgb or frame.colorspace == RGB_MATRIX
    matrix = frame.colorspace
    if is_rgb or matrix == UNSPECIFIED_MATRIX:
        matrix = assumed_matrix(frame.height)
    full = frame.format.name.startswith('yuvj') or (frame.color_range == FULL_RANGE and not is_rgb)
    return Colors(matrix, FULL_RANGE if full else LIMITED_RANGE, frame.color_primaries, frame.color_trc)


def _orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """Return how to make a frame upright, see :class:`VideoInfo`. Angles are rounded to multiples of 90 degrees."""
    matrix = frame.side_data.get('DISPLAYMATRIX')
    if matrix is None:
        return 0, False
    # The matrix maps a stored position (x, y) to the upright position (a x + c y, b x + d y); y points down.
    a, b, _, c, d = np.frombuffer(bytes(matrix), '<i4')[:5].astype(float)
    mirrored = a * d - b * c < 0
    if mirrored:
        a, c = -a, -c  # mirroring the upright image again leaves a rotation
    return round(np.arctan2(-b, a) / (np.pi / 2)) % 4, bool(mirrored)
