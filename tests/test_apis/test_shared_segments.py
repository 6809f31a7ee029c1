"""Processes that derain segments of one video at the same time, and errors while segments are written."""

import errno
import threading
from dataclasses import replace

import pytest
from video_files import Recipe, SameFrames, make_video, unchanged_derainer

from mmderain.apis import derain_video, video_segments
from mmderain.apis.pipeline import Pipeline
from mmderain.apis.plan import Plan
from mmderain.apis.video_report import VideoStoppedError
from mmderain.errors import InputError
from mmderain.io.video import VideoOptions, segments
from mmderain.io.video.encoder import SegmentWriter
from mmderain.io.video.frame import Frame
from mmderain.io.video.reader import FrameReader
from mmderain.io.video.segments import SegmentResult, SegmentStore
from mmderain.io.video.simple import count_packets, write_rgb_frames

SHARDS = [VideoOptions(segment_seconds=0.4, shard=(number, 2)) for number in (0, 1)]


@pytest.fixture
def source(tmp_path):
    """Write a video with four segments of ten frames."""
    return make_video(tmp_path / 'a.mp4', Recipe(frames=40, options={'g': '10', 'keyint_min': '10'}, audio='aac'))


def test_two_parts_that_end_together_both_report_the_result(source, tmp_path, monkeypatch):
    target, barrier, reports = tmp_path / 'o.mp4', threading.Barrier(2, timeout=30), []
    complete = video_segments._complete

    def together(*arguments):
        barrier.wait()
        return complete(*arguments)

    monkeypatch.setattr(video_segments, '_complete', together)

    def derain(options):
        reports.append(derain_video(unchanged_derainer(), source, target, options=options))

    threads = [threading.Thread(target=derain, args=(options,)) for options in SHARDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [(report.frames, report.complete, report.audio) for report in reports] == [(40, True, True)] * 2
    assert count_packets(target) == 40 and sorted(path.name for path in tmp_path.iterdir()) == ['a.mp4', 'o.mp4']


def test_the_lock_exists_until_all_segments_are_removed(tmp_path, monkeypatch):
    """Without the lock, another process could see only a part of the segments."""
    store, left = SegmentStore(tmp_path / 'o.mp4', 'key'), []
    store.create()
    store.save(0, SegmentResult())
    rmtree = segments.shutil.rmtree

    def remove(path, **options):
        rmtree(path, **options)
        left.append(sorted(found.name for found in tmp_path.rglob('*')))

    monkeypatch.setattr(segments.shutil, 'rmtree', remove)
    with store.lock():
        store.remove()
    assert left == [['.o.mp4.segments', 'lock'], []]


def test_a_second_process_with_the_same_segments_is_refused(source, tmp_path):
    target = tmp_path / 'o.mp4'
    store = SegmentStore(target, 'key')
    store.create()
    with store.only_process((0, 2)):
        with pytest.raises(InputError) as caught:
            derain_video(unchanged_derainer(), source, target, options=SHARDS[0])
        assert str(caught.value) == (
            f'{target}: another process derains this video; wait until it has ended, or choose another name for the '
            'result'
        )
        assert derain_video(unchanged_derainer(), source, target, options=SHARDS[1]).frames == 20
    assert derain_video(unchanged_derainer(), source, target, options=SHARDS[0]).complete


def test_a_segment_without_its_video_is_not_finished(tmp_path):
    store, result = SegmentStore(tmp_path / 'o.mp4', 'key'), SegmentResult(times=[0, 1])
    store.create()
    store.path(0).write_bytes(b'video')
    store.save(0, result)
    assert store.result(0) == result
    store.path(0).unlink()
    assert store.result(0) is None
    store.save(0, SegmentResult())  # no frame could be decoded, so there is no video
    assert store.result(0) == SegmentResult()


def test_segments_of_another_pyav_or_of_other_times_are_not_used(source, monkeypatch):
    model, info, options = unchanged_derainer(), video_segments.scan_video(source), VideoOptions()
    key = video_segments._key(model, info, options, None)
    assert key == video_segments._key(model, video_segments.scan_video(source), options, None)
    monkeypatch.setattr(video_segments.av, '__version__', '0.1')
    assert video_segments._key(model, info, options, None) != key
    monkeypatch.undo()
    shifted = replace(info, times=tuple(time + 1 for time in info.times))
    assert video_segments._key(model, shifted, options, None) != key


def test_errors_name_the_file_that_caused_them(source, tmp_path, monkeypatch):
    target = tmp_path / 'o.mp4'

    def full(self, frame):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(SegmentWriter, 'write', full)
        with pytest.raises(InputError) as caught:
            derain_video(unchanged_derainer(), source, target)
        assert str(caught.value) == f'{target}: cannot be written (No space left on device)'

    def unreadable(self, frame):
        raise OSError(errno.EIO, 'Input/output error', str(source))

    monkeypatch.setattr(FrameReader, '_image', unreadable)
    with pytest.raises(OSError, match=r"Input/output error: '.*a.mp4'"):
        derain_video(unchanged_derainer(), source, target)
    assert [path.name for path in tmp_path.iterdir()] == ['a.mp4']


def test_an_error_of_the_frames_is_not_one_of_the_result(source, tmp_path, monkeypatch):
    closed, abort = [], SegmentWriter.abort
    monkeypatch.setattr(SegmentWriter, 'abort', lambda self: closed.append(self) or abort(self))

    def frames():
        yield Frame(0, next(iter(FrameReader(video_segments.scan_video(source)))).image)
        raise OSError(errno.EIO, 'Input/output error', 'frames/1.png')

    with pytest.raises(OSError, match="Input/output error: 'frames/1.png'"):
        write_rgb_frames(frames(), tmp_path / 'o.mp4', 25, VideoOptions())
    assert len(closed) == 1 and [path.name for path in tmp_path.iterdir()] == ['a.mp4']


def test_a_stop_in_the_middle_of_a_video_keeps_its_segments(source, tmp_path, monkeypatch):
    """The pipeline gives no result for the video, and a second call continues with the finished segments."""
    options, stop, frames = VideoOptions(segment_seconds=0.4, temporal=0), threading.Event(), []
    derain_video(unchanged_derainer(), source, tmp_path / 'whole.mp4', options=options)
    forward = SameFrames.forward

    def count(self, x):
        frames.append(x)
        if len(frames) == 25:
            stop.set()
        return forward(self, x)

    monkeypatch.setattr(SameFrames, 'forward', count)

    def run():
        frames.clear()
        plan = Plan([source], tmp_path / 'out', 'skip')
        return list(Pipeline(unchanged_derainer(), video=options, stop=stop).run(plan))

    assert run() == [] and len(frames) == 25
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['.a.mp4.segments']
    with pytest.raises(VideoStoppedError):
        derain_video(unchanged_derainer(), source, tmp_path / 'o.mp4', options=options, stop=stop)
    with pytest.raises(VideoStoppedError):
        derain_video(unchanged_derainer(), source, tmp_path / '%d.png', stop=stop)
    stop.clear()
    (result,) = run()
    assert result.error is None and len(frames) == 20
    assert (tmp_path / 'out/a.mp4').read_bytes() == (tmp_path / 'whole.mp4').read_bytes()
