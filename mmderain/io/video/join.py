"""Join finished segments and the other streams of the source to the result, without encoding them again."""

import heapq
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from mmderain.errors import InputError

from ..files import atomic_write
from .info import VideoInfo, ffmpeg_reason, open_video
from .options import CODECS, FORMATS, ffmpeg_path
from .segments import Segment, SegmentResult, SegmentStore
from .streams import StreamCopier, StreamPlan, content_metadata


def join_segments(
    info: VideoInfo,
    segments: list[Segment],
    store: SegmentStore,
    plan: StreamPlan,
    target: Path,
    codec: str,
    durable: bool = True,
) -> None:
    """Write the result file, completely or not at all. The written file is opened again, and its packets are counted.

    Args:
        info: the source.
        segments: all segments. They are finished, and at least one of them contains a frame.
        store: where the segments are kept.
        plan: the other streams to copy.
        target: path of the result file.
        codec: name of the codec, see :data:`~mmderain.io.video.CODECS`.
        durable: see :func:`~mmderain.io.files.atomic_write`.

    Raises:
        InputError: the file cannot be written, for example because the disk is full.
    """
    results = [store.result(segment.number) or SegmentResult() for segment in segments]
    end = None if segments[-1].stop is None else segments[-1].stop * info.time_base
    copier = StreamCopier(plan, info, end)
    try:
        with atomic_write(target, durable) as part:
            _mux(info, segments, results, store, copier, part, codec)
            expected = Counter(copier.counts)
            expected[-1] = sum(len(result.times) for result in results)
            _check(part, target, expected)
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f'{target}: cannot be written ({ffmpeg_reason(error)})') from error


def _mux(
    info: VideoInfo,
    segments: list[Segment],
    results: list[SegmentResult],
    store: SegmentStore,
    copier: StreamCopier,
    part: Path,
    codec: str,
) -> None:
    """Write all packets to a file, in the order of their decoding times."""
    name = FORMATS[part.suffix.lower()]
    first = next(segment for segment, result in zip(segments, results, strict=True) if result.times)
    with (
        open_video(info.path) as source,
        av.open(ffmpeg_path(store.path(first.number))) as template,
        av.open(ffmpeg_path(part), 'w', format=name, options=_muxer_options(source, name, info.time_base)) as output,
    ):
        stream = output.add_stream_from_template(template.streams.video[0], opaque=True)
        stream.time_base = info.time_base
        stream.codec_context.framerate = info.rate
        if CODECS[codec].tag and name in ('mp4', 'mov'):
            stream.codec_context.codec_tag = CODECS[codec].tag
        stream.metadata.update(content_metadata(source.streams[info.stream].metadata))
        copier.add_streams(source, output)
        video = _video_packets(info, segments, results, store, stream)
        for packet in heapq.merge(video, copier.packets(source), key=_decoding_time):
            output.mux_one(packet)


def _muxer_options(source: av.container.InputContainer, name: str, time_base: Fraction) -> dict[str, str]:
    """Return the options of FFmpeg for the format ``name``."""
    if name not in ('mp4', 'mov'):
        return {'avoid_negative_ts': 'disabled'}  # sound can start before 0; the frames must not move because of it
    flags = 'faststart'  # the index comes first, so that a browser can play the file while it loads
    if any(key.startswith('com.') for key in source.metadata):  # MP4 files hold such keys only with this flag
        flags += '+use_metadata_tags'
    return {'movflags': flags, 'video_track_timescale': str(time_base.denominator)}


def _decoding_time(packet: av.Packet) -> Fraction:
    time = packet.dts if packet.dts is not None else packet.pts
    return Fraction(0) if time is None or not packet.time_base else time * packet.time_base


def _video_packets(
    info: VideoInfo,
    segments: list[Segment],
    results: list[SegmentResult],
    store: SegmentStore,
    stream: av.VideoStream,
) -> Iterator[av.Packet]:
    """Yield the packets of all segments, with their times in the whole video."""
    shift = round(info.start / info.time_base)
    times = [time - shift for result in results for time in result.times]
    decoding = decoding_times(times, info.step)
    ordered = sorted(times)
    durations = {a: b - a for a, b in zip(ordered, ordered[1:], strict=False)}
    number = 0
    for segment, result in zip(segments, results, strict=True):
        if not result.times:
            continue
        with av.open(ffmpeg_path(store.path(segment.number))) as container:
            for packet in container.demux(video=0):
                if packet.size == 0:
                    continue
                packet.pts, packet.dts = times[number], decoding[number]
                packet.duration = durations.get(times[number], info.step)
                packet.time_base = info.time_base
                packet.stream = stream
                number += 1
                yield packet


def decoding_times(times: list[int], step: int) -> list[int]:
    """Return decoding times for packets: increasing, and never later than the presentation time.

    The packets of a segment are in the order in which they are decoded. The presentation times of a stream with
    B-frames do not increase in this order. The presentation times are sorted. If the decoder needs a delay of d frames,
    the decoding time of packet i is presentation time i - d.

    Args:
        times: presentation times in the order of decoding.
        step: distance between the decoding times of the first d packets.
    """
    ordered = sorted(times)
    rank = {time: number for number, time in enumerate(ordered)}
    delay = max((number - rank[time] for number, time in enumerate(times)), default=0)
    before = [ordered[0] - step * (delay - number) for number in range(delay)] if times else []
    return (before + ordered)[: len(times)]


def _check(part: Path, target: Path, expected: Counter[int]) -> None:
    """Raise an InputError if a written file does not contain all packets. The key -1 stands for the video."""
    found: Counter[int] = Counter()
    with av.open(ffmpeg_path(part)) as container:
        video = container.streams.video[0].index
        for packet in container.demux():
            if packet.size:
                found[-1 if packet.stream_index == video else packet.stream_index] += 1
    for stream, count in expected.items():
        if found[stream] < count:
            kind = 'frames' if stream == -1 else f'packets of stream {stream}'
            raise InputError(
                f'{target}: only {found[stream]} of {count} {kind} could be written; is the disk full? The file was '
                'removed.'
            )
