"""Derain the segments of a video, and join them. The decoder, the network and the encoder run at the same time."""

import hashlib
import json
from bisect import bisect_left
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from threading import Event

import av
import torch

from mmderain.errors import InputError
from mmderain.io.video import VideoOptions
from mmderain.io.video.encoder import Encoding, choose_encoding
from mmderain.io.video.frame import Frame
from mmderain.io.video.info import VideoInfo, open_video
from mmderain.io.video.join import join_segments
from mmderain.io.video.overlap import BackgroundCalls, prefetch
from mmderain.io.video.reader import FrameReader
from mmderain.io.video.scan import scan_video
from mmderain.io.video.segments import Segment, SegmentResult, SegmentSink, SegmentStore, plan_segments
from mmderain.io.video.simple import count_packets
from mmderain.io.video.streams import StreamPlan, plan_streams
from mmderain.models import Derainer
from mmderain.version import __version__

from .temporal import TemporalFilter
from .video_frames import Pair, derained_pairs
from .video_opencv import mean_change
from .video_report import VideoReport


def derain_in_segments(
    model: Derainer,
    source: Path,
    target: Path,
    batch_size: int,
    limit: int | None,
    max_pixels: int,
    options: VideoOptions,
    stop: Event | None = None,
) -> VideoReport:
    """Derain a video, see :func:`~mmderain.apis.derain_video`."""
    info = scan_video(source, max_pixels)
    encoding = choose_encoding(info, options)
    streams = plan_streams(info, target, options)
    segments = plan_segments(info, options.segment_seconds, limit)
    store = SegmentStore(target, _key(model, info, options, limit))
    index, count = options.shard
    mine = [segment for segment in segments if segment.number % count == index]
    if not mine:  # the folder is not created, because the other processes may already have removed it
        return VideoReport(target, 0, None, _has_sound(info, streams), complete=False)
    store.create()
    with store.only_process(options.shard):
        try:
            for run in _unfinished_runs(mine, store):
                _derain_run(model, info, run, store, encoding, batch_size, options, stop)
        except BaseException:
            if count == 1:
                store.remove_if_empty()
            raise
        return _complete(info, segments, store, streams, target, encoding, limit)


def _key(model: Derainer, info: VideoInfo, options: VideoOptions, limit: int | None) -> str:
    """Return a hash of everything that affects the pixels of a segment: source, model and options."""
    stat = info.path.stat()
    chosen = {name: value for name, value in asdict(options).items() if name not in ('shard', 'audio', 'container')}
    facts: list = [__version__, av.__version__, info.times]
    facts += [str(info.path.resolve()), stat.st_size, stat.st_mtime_ns, chosen, limit, str(model)]
    facts += [str(getattr(model, name, None)) for name in ('precision', 'tile', 'mean', 'std')]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _unfinished_runs(segments: list[Segment], store: SegmentStore) -> Iterator[list[Segment]]:
    """Yield lists of successive segments that are not finished."""
    unfinished = [segment for segment in segments if store.result(segment.number) is None]
    # The difference between number and position is the same for successive segments.
    for _, run in groupby(enumerate(unfinished), key=lambda item: item[1].number - item[0]):
        yield [segment for _, segment in run]


def _derain_run(
    model: Derainer,
    info: VideoInfo,
    run: list[Segment],
    store: SegmentStore,
    encoding: Encoding,
    batch_size: int,
    options: VideoOptions,
    stop: Event | None,
) -> None:
    """Derain successive segments."""
    reader = FrameReader(info, first_packet(info, run[0], options.temporal))
    steady = TemporalFilter(options.temporal, options.temporal_method)
    damaged = 0
    previous: Pair | None = None
    with (
        closing(_frames_of(reader, run, options.temporal)) as frames,
        closing(prefetch(frames)) as decoded,
        SegmentSink(store, run, encoding) as sink,
        BackgroundCalls() as background,
    ):

        def write(pair: Pair) -> None:
            nonlocal damaged, previous
            pair = pair._replace(derained=steady(pair.derained))
            if run[0].start is not None and pair.rainy.time < run[0].start:
                return  # the frame belongs to the segment before
            changes = None
            if options.measure_flicker and previous is not None:
                before = mean_change(previous.rainy.image, pair.rainy.image)
                changes = before, mean_change(previous.derained, pair.derained)
            sink.write(pair.rainy._replace(image=pair.derained), changes)
            damaged += pair.rainy.damaged
            previous = pair

        for pair in derained_pairs(model, decoded, batch_size, stop=stop):
            background.call(write, pair)
        background.call(lambda: sink.finish(reader.damaged - damaged))


def first_packet(info: VideoInfo, segment: Segment, before: int) -> int:
    """Return the packet with which decoding starts, so that ``before`` frames before the segment are decoded, too."""
    if segment.start is None or before == 0:
        return segment.packet
    times = sorted(time for time in info.times if time is not None)
    needed = times[max(0, bisect_left(times, segment.start) - before)]
    keys = [key for key in info.keys if (time := info.times[key]) is not None and time <= needed]
    return max(keys, default=0)


def _frames_of(frames: FrameReader, run: list[Segment], before: int = 0) -> Generator[Frame]:
    """Yield the frames that belong to successive segments, and ``before`` frames before the first segment."""
    first, last = run[0], run[-1]
    earlier: deque[Frame] = deque(maxlen=before)
    for frame in frames:
        if last.stop is not None and frame.time >= last.stop:
            return
        if first.start is None or frame.time >= first.start:
            yield from earlier
            earlier.clear()
            yield frame
        else:
            earlier.append(frame)


def _complete(
    info: VideoInfo,
    segments: list[Segment],
    store: SegmentStore,
    streams: StreamPlan,
    target: Path,
    encoding: Encoding,
    limit: int | None,
) -> VideoReport:
    """Join the segments if all of them are finished, and report the result."""
    notes, audio = encoding.notes + streams.notes, _has_sound(info, streams)
    with store.lock():
        if not store.folder.is_dir():  # another process has joined the segments
            store.remove()
            return VideoReport(target, count_packets(target), None, audio, True, notes)
        results = [store.result(segment.number) for segment in segments]
        finished = [result for result in results if result is not None]
        frames, damaged = sum(len(result.times) for result in finished), sum(result.damaged for result in finished)
        complete = len(finished) == len(segments)
        if complete and not frames:
            store.remove()
            raise InputError(f'{info.path}: cannot be read as a video; none of its frames can be decoded')
        if complete:
            join_segments(info, segments, store, streams, target, encoding.codec)
            store.remove()
        else:
            note = f'{info.path}: {len(finished)} of {len(segments)} segments are finished; {target} is not written yet'
            notes = (*notes, note)
    missing = info.missing_frames(frames, damaged, limit)
    if complete and missing:
        raise InputError(
            f'{info.path}: {missing} of {frames + missing} frames are missing or cannot be decoded; the file is '
            f'incomplete or damaged. The other {frames} frames are derained in {target}'
        )
    return VideoReport(target, frames, _flicker(finished), audio, complete, notes)


def _flicker(results: list[SegmentResult]) -> tuple[float, float] | None:
    pairs = sum(result.pairs for result in results)
    if not pairs:
        return None
    before, after = (sum(result.changes[i] for result in results) / pairs for i in (0, 1))
    return before, after


def _has_sound(info: VideoInfo, streams: StreamPlan) -> bool:
    with open_video(info.path) as source:
        return any(source.streams[number].type == 'audio' for number in streams.streams)
