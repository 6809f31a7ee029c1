"""Rotated and damaged videos, paths that are no videos, and all suffixes, by everything that takes a video."""

import os
import re
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from conftest import load_tool
from video_files import Recipe, decoded, images, make_video, unchanged_derainer

from mmderain import cli
from mmderain.apis import DerainInferencer, derain_video, serve_live, stream_video
from mmderain.errors import InputError
from mmderain.io import VideoOptions, read_frames, write_frames
from mmderain.io.naming import Naming
from mmderain.io.video import VIDEO_SUFFIXES

from .places import Task, for_each_scene_command

LONG = 'ä' * 125 + 'b.mp4'  # 255 bytes
NAMES = [LONG, 'http:x.mp4', 'pipe:.mp4', '%03d.mp4', '*.mp4', '雨.mp4']
NAMES += [os.fsdecode(b'\xff.mp4')] if sys.platform != 'win32' else []


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Write a rotated video, files that are no videos, and a config whose network does nothing."""
    monkeypatch.chdir(tmp_path)
    upright = make_video(tmp_path / 'in/rotated.mp4', Recipe(rotation=90, frames=4))
    content = make_video(tmp_path / 'whole.mp4').read_bytes()
    (tmp_path / 'in/text.mp4').write_text('no video')
    (tmp_path / 'in/half.mkv').write_bytes(content[: len(content) // 2])
    (tmp_path / 'in/loop.mp4').symlink_to('loop.mp4')
    (tmp_path / 'in/broken.mp4').symlink_to('missing')
    if hasattr(os, 'mkfifo'):
        os.mkfifo(tmp_path / 'in/pipe.mp4')
    Path('net.py').write_text("model = dict(type='mmderain.Derainer', network=dict(type='SameFrames'))\n")
    torch.save(dict(state_dict={}), 'net.pth')
    return upright


MODEL = ['--model', 'net.py', '--weights', 'net.pth']
#: Maps a path that is no video to a part of the error message.
WRONG = {
    'in/text.mp4': 'cannot be read as a video',
    'in/half.mkv': 'cannot be read as a video',
    'in/loop.mp4': 'is a link to a missing file',
    'in/broken.mp4': 'is a link to a missing file',
    'in/pipe.mp4': 'is a pipe or a device; expected a video',
}


def is_upright(frame: np.ndarray) -> bool:
    """Return whether a BGR frame is the first one of the rotated video. The colors of the encoder differ a little."""
    expected = np.rot90(images(Recipe(frames=1))[0][..., ::-1])
    return frame.shape == expected.shape and np.abs(frame.astype(int) - expected).mean() < 10


def check_output(output: str, written: Path) -> None:
    for path, message in WRONG.items():
        if os.path.lexists(path):
            assert re.search(f'error: {path}: {message}', output), (path, output)
    assert is_upright(decoded(written)[0][..., ::-1])


@pytest.mark.fault(5, 'mmderain derain')
def test_derain(place, capsys):
    assert cli.main(['derain', 'in', '--out', 'out', *MODEL]) == 1
    check_output(capsys.readouterr().err, Path('out/rotated.mp4'))
    assert [path.name for path in Path('out').iterdir()] == ['rotated.mp4']


@pytest.mark.fault(5, 'apis.DerainInferencer')
def test_inferencer(place):
    found = DerainInferencer('net.py', 'net.pth')(['in'], out_dir='out')
    check_output('\n'.join(f'error: {text}' for text in found.failures.values()), Path('out/rotated.mp4'))


@for_each_scene_command(5)
def test_scenes(place, command, task, capsys, monkeypatch):
    monkeypatch.setattr(cli.scene, 'load_task_model', lambda *_: Task(task))
    Path('in/rotated.mp4').rename(f'in/{LONG}')
    assert cli.main([command, 'in', '--out', 'out', '--rain', 'none', '--device', 'cpu', *MODEL]) == 1
    output = capsys.readouterr().err
    assert sorted(path.suffix for path in Path('out').iterdir()) == ['.json', '.mp4']
    frame = decoded(Path('out', LONG))[0][..., ::-1]  # two views side by side, with a title of 24 rows
    assert frame.shape == (64 + 24, 2 * 48, 3) and is_upright(frame[24:, :48])
    for path, message in WRONG.items():
        assert f'error: {path}: {message}' in output


def frames_of(path):
    return list(read_frames(path)[0])


CALLS = {
    'io.read_frames': frames_of,
    'apis.stream_video': lambda path: list(stream_video(unchanged_derainer(), path)),
    'apis.derain_video': lambda path: [
        frame[..., ::-1] for frame in decoded(derain_video(unchanged_derainer(), path, 'out/o.mkv').path)
    ],
}


@pytest.mark.parametrize('name', [pytest.param(name, marks=pytest.mark.fault(5, name)) for name in CALLS])
def test_functions(place, name):
    assert is_upright(CALLS[name]('in/rotated.mp4')[0])
    for path, message in WRONG.items():
        with pytest.raises((InputError, FileNotFoundError), match=f'^{path}: {message}'):
            CALLS[name](path)


@pytest.mark.fault(5, 'apis.serve_live')
def test_serve_live(place):
    for path, message in WRONG.items():
        with pytest.raises((InputError, FileNotFoundError), match=f'^{path}: {message}'):
            serve_live(unchanged_derainer(), path, announce=lambda url: None)
    assert serve_live(unchanged_derainer(), 'in/rotated.mp4', announce=lambda url: None) > 0


@pytest.mark.fault(5, 'tools/prepare_dataset.py')
def test_street(place, capsys):
    for path, message in WRONG.items():
        assert load_tool('prepare_dataset').main(['street', path, 'street']) == 1
        assert capsys.readouterr().err.startswith(f'error: {path}: {message}') and not Path('street').exists()
    words = ['street', 'in/rotated.mp4', 'street', '--step', '1', '--test-from', '2']
    assert load_tool('prepare_dataset').main(words) == 0
    assert '"height": 64, "width": 48' in Path('street/train.json').read_text()


@pytest.mark.fault(5, 'io.VideoOptions')
@pytest.mark.parametrize(
    'options, message',
    [
        (dict(codec='h265'), "codec: found 'h265'"),
        (dict(crf=-1), 'crf: found -1'),
        (dict(container='avi'), "container: found 'avi'"),
        (dict(bit_depth=12), 'bit_depth: found 12'),
        (dict(rate=0), 'rate: found 0'),
        (dict(segment_seconds=float('nan')), 'segment_seconds: found nan'),
        (dict(temporal=-1), 'temporal must be an integer of at least 0'),
        (dict(shard=(2, 2)), 'shard: found 2 of 2'),
    ],
)
def test_options(options, message):
    with pytest.raises(InputError, match=f'^{message}'):
        VideoOptions(**options)


@pytest.mark.parametrize(
    'interface',
    [
        pytest.param('io.read_frames', marks=pytest.mark.fault(9, 'io.read_frames', 'io.write_frames')),
        pytest.param('apis.derain_video', marks=pytest.mark.fault(9, 'apis.derain_video', 'io.write_frames')),
        pytest.param('apis.stream_video', marks=pytest.mark.fault(9, 'apis.stream_video', 'io.write_frames')),
    ],
)
@pytest.mark.parametrize('name', NAMES)
def test_names(tmp_path, monkeypatch, interface, name):
    """The video is in the current folder, so that FFmpeg could take the start of its name for a protocol."""
    monkeypatch.chdir(tmp_path)
    write_frames([np.full((48, 64, 3), 90, np.uint8)] * 3, name, 8)
    assert os.listdir('.') == [name]
    if interface == 'apis.derain_video':
        derain_video(unchanged_derainer(), name, Path('out', name))
        assert os.listdir('out') == [name]
        name = Path('out', name)
    found = CALLS['apis.stream_video' if interface == 'apis.stream_video' else 'io.read_frames'](name)
    assert len(found) == 3 and all(np.abs(frame.astype(int) - 90).max() < 4 for frame in found)


@pytest.mark.fault(5, 'io.write_frames')
@pytest.mark.parametrize('name', ['a.avi', 'a.y4m', 'a', 'folder/', 'a\0.mp4', 'x' * 252 + '.mp4', 'file/a.mp4'])
def test_frames_are_not_written_to_other_paths(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('file').touch()
    with pytest.raises((InputError, OSError)) as caught:
        write_frames([np.zeros((8, 8, 3), np.uint8)], name, 8)
    assert '.part' not in str(caught.value) and os.listdir('.') == ['file']


#: Maps suffixes to the formats and codecs in which FFmpeg writes such files. FFmpeg recognizes a file by its content.
FORMATS = {
    '.y4m': ('yuv4mpegpipe', 'wrapped_avframe'),
    '.mjpeg': ('mjpeg', 'mjpeg'),
    '.nut': ('nut', 'mpeg4'),
    '.dv': ('dv', 'dvvideo'),
    '.m2t': ('mpegts', 'mpeg2video'),
    '.rm': ('rm', 'rv10'),
    '.gxf': ('gxf', 'mpeg2video'),
    '.ogv': ('ogg', 'libvpx'),
    '.divx': ('avi', 'mpeg4'),
}


@pytest.mark.fault(5, 'mmderain derain')
@pytest.mark.parametrize('suffix', FORMATS)
def test_suffixes(place, suffix, capsys):
    form, codec = FORMATS[suffix]
    for path in Path('in').iterdir():
        path.unlink()
    width, height = (720, 576) if form in ('dv', 'gxf') else (176, 144)
    with av.open(f'in/a{suffix.upper()}', 'w', format=form) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = width, height
        stream.pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
        for _ in range(4):
            image = av.VideoFrame.from_ndarray(np.full((height, width, 3), (200, 100, 50), np.uint8), format='rgb24')
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    assert cli.main(['derain', 'in', '--out', 'out', *MODEL]) == 0, capsys.readouterr().err
    found = decoded(Path('out/a.mp4'))
    assert len(found) == 4 and np.abs(found[0].astype(int).mean((0, 1)) - (200, 100, 50)).max() < 8


@pytest.mark.parametrize('suffix', VIDEO_SUFFIXES)
def test_every_suffix_is_a_video_with_a_video_as_its_result(suffix):
    assert suffix == suffix.lower() and Naming().result(f'a{suffix.upper()}') == 'a.mp4'
    assert Naming(keep_suffix=True).result(f'a{suffix}') == ('a.mp4' if suffix == '.mp4' else f'a{suffix}.mp4')
