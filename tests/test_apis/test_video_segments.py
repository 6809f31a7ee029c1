"""Segments of videos: stopped runs, shared runs, and joined results."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from video_files import Recipe, SameFrames, decoded, make_video, packets_of, times_of, unchanged_derainer

from mmderain.apis import derain_video
from mmderain.io import list_images
from mmderain.io.video import VideoOptions
from mmderain.io.video.scan import scan_video
from mmderain.io.video.segments import Segment, plan_segments

#: Segments of at least 0.4 seconds. The sources have a key frame every 0.4 seconds. Without earlier frames, the network
#: derains each frame once.
SHORT = VideoOptions(segment_seconds=0.4, temporal=0)


def make_source(path: Path, **changes) -> Path:
    return make_video(path, Recipe(frames=40, options={'g': '10', 'keyint_min': '10'}, audio='aac', **changes))


@pytest.fixture
def counted(monkeypatch):
    """Return a derainer and the list of the frames that it has derained. Frame ``stop_at`` raises an error."""
    frames, model = [], unchanged_derainer()
    forward = SameFrames.forward

    def count(self, x):
        if len(frames) == model.stop_at:
            raise KeyboardInterrupt
        frames.append(x.clone())
        return forward(self, x)

    monkeypatch.setattr(SameFrames, 'forward', count)
    model.stop_at = None
    return model, frames


def hidden(folder: Path) -> list[str]:
    """Return the names of the hidden files and folders."""
    return [path.name for path in folder.iterdir() if path.name.startswith('.')]


def test_segments_begin_at_key_frames(tmp_path):
    info = scan_video(make_source(tmp_path / 'a.mp4'))
    assert info.keys == (0, 10, 20, 30)
    step = info.step
    expected = [
        Segment(0, 0, None, 10 * step),
        Segment(1, 10, 10 * step, 20 * step),
        Segment(2, 20, 20 * step, 30 * step),
        Segment(3, 30, 30 * step, None),
    ]
    assert plan_segments(info, 0.4) == expected
    assert plan_segments(info, 0.41) == [Segment(0, 0, None, 20 * step), Segment(1, 20, 20 * step, None)]
    assert plan_segments(info, 10) == [Segment(0, 0, None, None)]
    assert plan_segments(info, 0.4, limit=15) == [Segment(0, 0, None, 10 * step), Segment(1, 10, 10 * step, 15 * step)]
    assert plan_segments(info, 0.4, limit=100) == expected


@pytest.mark.parametrize('codec', ['h264', 'hevc', 'av1', 'vp9'])
def test_joined_segments_have_all_frames_at_their_times(tmp_path, codec):
    times = [n * 4 + n % 3 for n in range(40)]  # a variable frame rate
    source = make_source(tmp_path / 'a.mp4', times=times, time_base=Fraction(1, 90))
    options = VideoOptions(codec=codec, segment_seconds=0.4, crf=10)
    report = derain_video(unchanged_derainer(), source, tmp_path / 'o.mp4', options=options)
    assert len(plan_segments(scan_video(source), 0.4)) == 4
    assert report.frames == 40 and times_of(report.path) == times_of(source) == [Fraction(t, 90) for t in times]
    assert packets_of(report.path, 'audio') == packets_of(source, 'audio')
    pairs = zip(decoded(source), decoded(report.path), strict=True)
    assert max(np.abs(a.astype(int) - b).mean() for a, b in pairs) < 5
    assert hidden(tmp_path) == []


def test_the_frames_of_an_open_gop_are_not_lost(tmp_path):
    """MPEG-2 stores B-frames after the next key frame, although they are shown before it."""
    source = make_video(
        tmp_path / 'a.mpg', codec='mpeg2video', frames=40, options={'g': '10', 'bf': '2', 'flags': '-cgop'}
    )
    info = scan_video(source)
    key = info.keys[1]
    assert min(info.times[key + 1 : key + 3]) < info.times[key]
    report = derain_video(unchanged_derainer(), source, tmp_path / 'o.mp4', options=VideoOptions(segment_seconds=0.2))
    assert report.frames == 40 and len(plan_segments(info, 0.2)) > 3
    pairs = zip(decoded(source), decoded(report.path), strict=True)
    assert max(np.abs(a.astype(int) - b).mean() for a, b in pairs) < 6


def test_a_stopped_run_is_continued(counted, tmp_path):
    model, frames = counted
    source = make_source(tmp_path / 'a.mp4')
    derain_video(model, source, tmp_path / 'whole.mp4', options=SHORT)
    assert len(frames) == 40
    for stop_at, new in ((15, 15), (25, 15), (28, 8)):  # each call begins with the first unfinished segment
        frames.clear()
        model.stop_at = new
        with pytest.raises(KeyboardInterrupt):
            derain_video(model, source, tmp_path / 'o.mp4', options=SHORT)
        assert not (tmp_path / 'o.mp4').exists() and hidden(tmp_path) == ['.o.mp4.segments'], stop_at
        assert not list(tmp_path.rglob('.*.part.*'))
        assert [str(name) for name in list_images(tmp_path, also=('.mp4',))] == ['a.mp4', 'whole.mp4']
    frames.clear()
    model.stop_at = None
    report = derain_video(model, source, tmp_path / 'o.mp4', options=SHORT)
    assert report.frames == 40 and len(frames) == 20 and hidden(tmp_path) == []
    assert (tmp_path / 'o.mp4').read_bytes() == (tmp_path / 'whole.mp4').read_bytes()


@pytest.mark.parametrize('method', ['fixed', 'flow'])
def test_a_continued_run_with_earlier_frames_equals_one_run(counted, tmp_path, method):
    """The segments overlap: the network derains three frames before the first unfinished segment again."""
    model, frames = counted
    options = VideoOptions(segment_seconds=0.4, temporal=3, temporal_method=method)
    source = make_source(tmp_path / 'a.mp4')
    derain_video(model, source, tmp_path / 'whole.mp4', options=options)
    derain_video(model, source, tmp_path / 'without.mp4', options=SHORT)
    assert (tmp_path / 'whole.mp4').read_bytes() != (tmp_path / 'without.mp4').read_bytes()
    frames.clear()
    model.stop_at = 25
    with pytest.raises(KeyboardInterrupt):
        derain_video(model, source, tmp_path / 'o.mp4', options=options)
    frames.clear()
    model.stop_at = None
    derain_video(model, source, tmp_path / 'o.mp4', options=options)
    assert len(frames) == 23
    assert (tmp_path / 'o.mp4').read_bytes() == (tmp_path / 'whole.mp4').read_bytes()


def test_segments_of_other_options_models_and_sources_are_not_used(counted, tmp_path):
    model, frames = counted
    source = make_source(tmp_path / 'a.mp4')

    def stop_and_continue(options, change=lambda: None):
        frames.clear()
        model.stop_at = 15
        with pytest.raises(KeyboardInterrupt):
            derain_video(model, source, tmp_path / 'o.mp4', options=SHORT)
        change()
        frames.clear()
        model.stop_at = None
        derain_video(model, source, tmp_path / 'o.mp4', options=options)
        return len(frames)

    assert stop_and_continue(SHORT) == 30
    assert stop_and_continue(replace(SHORT, crf=30)) == 40
    assert stop_and_continue(replace(SHORT, audio='none')) == 30  # the pixels are the same
    assert stop_and_continue(SHORT, lambda: os.utime(source, (1, 1))) == 40
    assert stop_and_continue(SHORT, lambda: model.network.register_buffer('weight', torch.ones(1))) == 40


def test_processes_share_the_segments(counted, tmp_path):
    model, frames = counted
    source = make_source(tmp_path / 'a.mp4')
    derain_video(model, source, tmp_path / 'whole.mp4', options=SHORT)
    counts = []
    for number in (2, 0, 1):
        frames.clear()
        options = replace(SHORT, shard=(number, 3))
        report = derain_video(model, source, tmp_path / 'o.mp4', options=options)
        counts.append((len(frames), report.frames, report.complete, (tmp_path / 'o.mp4').exists()))
    assert counts == [(10, 10, False, False), (20, 30, False, False), (10, 40, True, True)]
    assert (tmp_path / 'o.mp4').read_bytes() == (tmp_path / 'whole.mp4').read_bytes() and hidden(tmp_path) == []


def test_a_killed_program_leaves_no_result_and_is_continued(tmp_path):
    source = make_source(tmp_path / 'a.mp4')
    program = f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from video_files import SameFrames, unchanged_derainer
        from mmderain.apis import derain_video
        from mmderain.io.video import VideoOptions
        forward = SameFrames.forward
        SameFrames.forward = lambda self, x: time.sleep(0.1) or forward(self, x)
        derain_video(unchanged_derainer(), {str(source)!r}, {str(tmp_path / 'o.mp4')!r}, options={SHORT!r})
    """
    process = subprocess.Popen([sys.executable, '-c', textwrap.dedent(program)])
    try:
        end = time.monotonic() + 120
        while not list(tmp_path.rglob('.00000.json')) and time.monotonic() < end and process.poll() is None:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list(tmp_path.rglob('.00000.json')) and not (tmp_path / 'o.mp4').exists()
    report = derain_video(unchanged_derainer(), source, tmp_path / 'o.mp4', options=SHORT)
    assert report.frames == 40 and times_of(report.path) == times_of(source) and hidden(tmp_path) == []
    derain_video(unchanged_derainer(), source, tmp_path / 'whole.mp4', options=SHORT)
    assert (tmp_path / 'o.mp4').read_bytes() == (tmp_path / 'whole.mp4').read_bytes()
