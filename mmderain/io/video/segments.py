"""Divide a video into segments at key frames, and keep the finished segments beside the result."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mmderain.errors import InputError

from ..files import atomic_write, hidden_name
from .encoder import Encoding, SegmentWriter, writing_to
from .frame import Frame
from .info import VideoInfo


@dataclass(frozen=True)
class Segment:
    """A part of a video that begins with a key frame.

    Attributes:
        number: number of the segment, from 0.
        packet: number of the key packet with which decoding starts.
        start: time of the first frame, in units of the time base of the video. None for the first segment.
        stop: time at which the next segment starts. None if the segment ends with the video.
    """

    number: int
    packet: int
    start: int | None
    stop: int | None

    def contains(self, time: int) -> bool:
        """Return whether a frame with this time belongs to the segment."""
        return (self.start is None or time >= self.start) and (self.stop is None or time < self.stop)


@dataclass
class SegmentResult:
    """Facts about a finished segment.

    Attributes:
        times: times of the encoded packets in the order of the file. Empty if no frame could be decoded.
        damaged: number of packets that could not be decoded.
        changes: sums of the mean absolute changes from frame to frame, before and after deraining.
        pairs: number of changes in these sums.
    """

    times: list[int] = field(default_factory=list)
    damaged: int = 0
    changes: list[float] = field(default_factory=lambda: [0.0, 0.0])
    pairs: int = 0


def plan_segments(info: VideoInfo, seconds: float, limit: int | None = None) -> list[Segment]:
    """Divide a video into segments.

    Args:
        info: the video.
        seconds: smallest length of a segment in seconds. A segment ends at the first key frame after this time.
        limit: number of frames to use from the start of the video. None uses all frames.
    """
    end = None
    if limit is not None and limit < len(info.times):
        end = sorted(time for time in info.times if time is not None)[limit]
    starts: list[tuple[int, int | None]] = [(0, None)]
    previous = info.times[0] if info.times else 0
    for packet in info.keys[1:] if info.has_presentation_times else ():
        time = info.times[packet]
        if time is None or previous is None or (end is not None and time >= end):
            break
        if float((time - previous) * info.time_base) >= seconds - 1e-6:
            starts.append((packet, time))
            previous = time
    stops = [time for _, time in starts[1:]] + [end]
    return [
        Segment(number, packet, start, stop)
        for number, ((packet, start), stop) in enumerate(zip(starts, stops, strict=True))
    ]


class SegmentStore:
    """The finished segments of a video, in a hidden folder beside the result file.

    Each finished segment has two files: the video, and a JSON file that is written after the video is complete. The
    folder contains a sub-folder for each key, so that segments of other options, models or sources are not mixed.

    Args:
        target: path of the result file.
        key: text that differs if the result would differ.
    """

    def __init__(self, target: Path, key: str) -> None:
        self.target = target
        self.root = target.with_name(hidden_name(target.name, '.segments'))
        self.folder = self.root / key

    def path(self, number: int) -> Path:
        """Return the path of the video of a segment. It is hidden, so that it is not found as an input."""
        return self.folder / f'.{number:05}.mp4'

    def result(self, number: int) -> SegmentResult | None:
        """Return the facts about a finished segment, or None if it is not finished."""
        path = self.path(number)
        try:
            result = SegmentResult(**json.loads(path.with_suffix('.json').read_text(encoding='utf-8')))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return result if path.exists() or not result.times else None

    def save(self, number: int, result: SegmentResult) -> None:
        """Mark a segment as finished. Its video must be complete."""
        with atomic_write(self.path(number).with_suffix('.json')) as part:
            part.write_text(json.dumps(asdict(result)), encoding='utf-8')

    def create(self) -> None:
        """Create the folder. If it is missing later, another process has written the result and removed the folder."""
        with writing_to(self.target):
            self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Run a ``with`` block that only one process runs at a time."""
        lock = FileLock(self.root / 'lock')
        while not lock.is_locked:
            self.root.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # the process that had the lock has removed the folder
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def only_process(self, shard: tuple[int, int]) -> Iterator[None]:
        """Run a ``with`` block in which no other process derains the same segments.

        Args:
            shard: see :class:`~mmderain.io.video.VideoOptions`.

        Raises:
            InputError: another process is in such a block.
        """
        lock = FileLock(self.root / f'lock-{shard[0]}-of-{shard[1]}')
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f'{self.target}: another process derains this video; wait until it has ended, or choose another name '
                'for the result'
            ) from None
        try:
            yield
        finally:
            lock.release()

    def remove_if_empty(self) -> None:
        """Remove the folder if it contains no segment. No other process may use it."""
        with suppress(OSError):  # it is not empty
            self.folder.rmdir()
        if not any(path.is_dir() for path in self.root.glob('*')):
            self.remove()

    def remove(self) -> None:
        """Remove all segments."""
        # The lock is removed last. Otherwise another process could get a new lock, and see a part of the segments.
        for folder in self.root.glob('*/'):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)


class SegmentSink:
    """Write successive frames to the segments to which they belong.

    If the ``with`` block ends with an error, the unfinished segment is removed.

    Args:
        store: where the segments are kept.
        segments: successive segments. Each frame must belong to one of them.
        encoding: how the frames are encoded.
    """

    def __init__(self, store: SegmentStore, segments: list[Segment], encoding: Encoding) -> None:
        self._store = store
        self._segments = list(segments)
        self._encoding = encoding
        self._result = SegmentResult()
        self._writer: SegmentWriter | None = None
        self._stack = ExitStack()

    def __enter__(self) -> 'SegmentSink':
        return self

    def __exit__(self, *details: Any) -> None:
        if self._writer is not None:  # there was an error
            self._writer.abort()
        self._stack.__exit__(*details)

    def write(self, frame: Frame, changes: tuple[float, float] | None = None) -> None:
        """Encode a frame.

        Args:
            frame: the frame. Its image has the size of the source.
            changes: mean absolute changes since the previous frame, before and after deraining. None if they are not
                measured.

        Raises:
            InputError: the segment cannot be written.
        """
        while not self._segments[0].contains(frame.time):
            self._finish_segment()
        if self._writer is None:
            with writing_to(self._store.target):
                part = self._stack.enter_context(atomic_write(self._store.path(self._segments[0].number)))
                self._writer = SegmentWriter(part, self._encoding)
        elif changes is not None:  # changes between two segments are not counted
            self._result.changes = [a + b for a, b in zip(self._result.changes, changes, strict=True)]
            self._result.pairs += 1
        self._result.damaged += frame.damaged
        with writing_to(self._store.target):
            self._writer.write(frame)

    def finish(self, damaged: int = 0) -> None:
        """Complete all segments.

        Args:
            damaged: number of packets that could not be decoded since the last frame.
        """
        self._result.damaged += damaged
        while self._segments:
            self._finish_segment()

    def _finish_segment(self) -> None:
        with writing_to(self._store.target):
            if self._writer is not None:
                self._writer.close()
                self._result.times = self._writer.times
                self._stack.close()  # gives the file its final name
            self._store.save(self._segments.pop(0).number, self._result)
        self._writer, self._result = None, SegmentResult()
