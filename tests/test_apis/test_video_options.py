"""Options of commands that write videos."""

import os
import signal

import av
import pytest
from conftest import free_port
from video_files import make_video

from mmderain import cli
from mmderain.apis import init_model
from mmderain.cli import derain_video
from mmderain.cli.command import CommandParser
from mmderain.cli.video_options import add_video_options, video_options
from mmderain.errors import InputError
from mmderain.io import read_frames, save_weights
from mmderain.io.video import VideoOptions
from mmderain.io.video.live import MjpegServer
from mmderain.io.video.sequence import list_sequence


@pytest.fixture
def parser():
    parser = CommandParser('Test.')
    add_video_options(parser)
    return parser


def test_the_options_become_one_object(parser):
    assert video_options(parser.parse_args([])) == VideoOptions() and VideoOptions().temporal == 2
    assert video_options(parser.parse_args(['--temporal', '0'])).temporal == 0
    words = '--codec av1 --crf 40 --pix-fmt yuv420p10le --bit-depth 10 --odd crop --audio none --container mkv'
    words += ' --temporal 3 --temporal-method flow'
    assert video_options(parser.parse_args(words.split())) == VideoOptions(
        codec='av1',
        crf=40,
        pix_fmt='yuv420p10le',
        bit_depth=10,
        odd='crop',
        audio='none',
        container='mkv',
        temporal=3,
        temporal_method='flow',
    )


def test_wrong_options_name_the_value(parser, capsys):
    with pytest.raises(InputError, match='crf: found 60; expected a number from 0 to 51 for h264'):
        video_options(parser.parse_args(['--crf', '60']))
    for words, text in (
        (['--codec', 'mpeg4'], "invalid choice: 'mpeg4'"),
        (['--bit-depth', '12'], 'invalid choice: 12'),
    ):
        with pytest.raises(SystemExit):
            parser.parse_args(words)
        assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    'options, text',
    [
        (dict(codec='mpeg'), "codec: found 'mpeg'; expected h264, hevc, av1, vp9"),
        (dict(crf=99), 'crf: found 99; expected a number from 0 to 51 for h264'),
        (dict(bit_depth=12), 'bit_depth: found 12; expected 8 or 10'),
        (dict(odd='keep'), "odd: found 'keep'; expected repeat, crop"),
        (dict(audio='no'), "audio: found 'no'; expected copy, transcode, none"),
        (dict(segment_seconds=0), 'segment_seconds: found 0; expected a number above 0'),
        (dict(rate=0.001), 'rate: found 0.001; expected 0.01 to 1000 frames per second'),
        (dict(rate=float('inf')), 'rate: found inf; expected 0.01 to 1000 frames per second'),
        (dict(rate=float('nan')), 'rate: found nan; expected 0.01 to 1000 frames per second'),
        (dict(shard=(0, 0)), 'shard: found 0 of 0; expected at least one process'),
        (dict(shard=(2, 2)), 'shard: found 2 of 2; expected a number from 0 to 1'),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(InputError) as caught:
        VideoOptions(**options)
    assert str(caught.value) == text


def count_frames(path):
    return sum(1 for _ in read_frames(path)[0])


@pytest.fixture
def tiny(tmp_path):
    """Write a small video, a config and weights of a small network. Return the arguments that select the network."""
    make_video(tmp_path / 'in.avi', codec='mpeg4')
    config = tmp_path / 'net.py'
    config.write_text("model = dict(type='Derainer', network=dict(type='SIAN', channels=4, num_stages=2))")
    save_weights(tmp_path / 'net.pth', init_model(config).state_dict(), {})
    return ['--model', str(config), '--weights', str(tmp_path / 'net.pth'), '--precision', 'fp32']


def test_the_command_passes_the_options_to_the_video(tiny, tmp_path, capsys):
    arguments = ['derain', str(tmp_path / 'in.avi'), '--out', str(tmp_path / 'out'), *tiny]
    assert cli.main([*arguments, '--container', 'mkv', '--codec', 'vp9', '--odd', 'crop']) == 0
    with av.open(str(tmp_path / 'out/in.mkv')) as video:
        assert video.streams.video[0].codec_context.name == 'vp9'
    assert cli.main([*arguments, '--crf', '99']) == 1
    assert 'error: crf: found 99; expected a number from 0 to 51 for h264' in capsys.readouterr().err


def test_numbered_images_are_the_source_and_the_result(tiny, tmp_path, capsys):
    pattern = str(tmp_path / 'frames/%03d.png')
    arguments = ['derain', str(tmp_path / 'in.avi'), '--out', pattern, *tiny]
    assert cli.main(arguments) == 0
    assert len(list_sequence(pattern)) == count_frames(tmp_path / 'in.avi')
    assert cli.main(arguments) == 1
    assert (
        f'error: {pattern}: already exists; use --existing replace, or choose another --out' in capsys.readouterr().err
    )
    assert cli.main([*arguments, '--existing', 'skip']) == 1
    assert (
        f'error: {pattern}: images exist, but mmderain cannot tell whether they are complete; use --existing replace, '
        'or choose another --out' in capsys.readouterr().err
    )
    (tmp_path / 'frames/099.png').write_bytes(b'an image of an earlier run')
    assert cli.main([*arguments, '--existing', 'replace']) == 0
    assert len(list_sequence(pattern)) == 8 and not (tmp_path / 'frames/099.png').exists()
    assert cli.main(['derain', pattern, '--out', str(tmp_path / 'out'), *tiny]) == 0
    assert count_frames(tmp_path / 'out/frames.mp4') == len(list_sequence(pattern))
    assert cli.main(['derain', pattern, pattern, '--out', str(tmp_path / 'out'), *tiny]) == 1
    assert 'error: found 2 inputs; expected only one if --out or an input is a pattern' in capsys.readouterr().err


def test_a_wrong_source_does_not_cost_the_images(tiny, tmp_path, capsys):
    pattern, other = str(tmp_path / 'frames/%03d.png'), str(tmp_path / 'frames/%d.png')
    assert cli.main(['derain', str(tmp_path / 'in.avi'), '--out', pattern, *tiny]) == 0
    (tmp_path / 'frames/000.png').rename(tmp_path / 'frames/100.png')  # matches both patterns
    files = list_sequence(pattern)
    (tmp_path / 'broken.avi').write_text('not a video')
    for source, text in (
        (str(tmp_path / 'broken.avi'), 'broken.avi: cannot be read as a video'),
        (pattern, f'error: {pattern}: the results would overwrite the images; name another target'),
        (other, f'error: {other}: the results would overwrite the images; name another target'),
        (str(tmp_path / 'gone.avi'), 'gone.avi: no such video'),
    ):
        assert cli.main(['derain', source, '--out', pattern, '--existing', 'replace', *tiny]) == 1
        assert text in capsys.readouterr().err and list_sequence(pattern) == files


def test_notes_name_the_video_once(tiny, tmp_path, capsys):
    source = str(make_video(tmp_path / 'odd.mkv', size=(65, 49), codec='ffv1'))
    assert cli.main(['derain', source, '--out', str(tmp_path / 'out'), *tiny]) == 0
    note = 'becomes 66x50, because h264 needs even sizes; the last row or column is repeated'
    assert capsys.readouterr().out.splitlines()[0] == f'{source}: 65x49 {note}'
    assert cli.main(['derain', source, '--out', str(tmp_path / '%d.png'), *tiny]) == 0
    assert cli.main(['derain', str(tmp_path / '%d.png'), '--out', str(tmp_path / 'out'), *tiny]) == 0
    video = tmp_path / f'out/{tmp_path.name}.mp4'
    assert f'\n{video}: 65x49 {note}\n8 frames derained; the result is {video}\n' in capsys.readouterr().out


def test_live_needs_one_input_and_no_folder(tiny, capsys):
    assert cli.main(['derain', '0', '1', '--live', *tiny]) == 1
    assert 'error: --live: found 2 inputs; expected one camera or address' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(['derain', 'a.png', *tiny])
    assert 'the following arguments are required: --out' in capsys.readouterr().err


@pytest.mark.parametrize('words, temporal', [([], 0), (['--temporal', '1'], 1)])
def test_live_sources_use_no_earlier_frames_by_default(tiny, monkeypatch, words, temporal):
    calls = []
    monkeypatch.setattr(derain_video, 'serve_live', lambda *arguments: calls.append(arguments[1:5]))
    assert cli.main(['derain', '0', '--live', *words, *tiny]) == 0
    assert calls == [('0', 8800, temporal, None)]


def test_the_live_server_stops_when_the_source_ends(tiny, tmp_path, capsys):
    port, handler = free_port(), signal.getsignal(signal.SIGTERM)
    assert cli.main(['derain', str(tmp_path / 'in.avi'), '--live', '--port', str(port), *tiny]) == 0
    assert capsys.readouterr().out == f'http://127.0.0.1:{port}/  (Ctrl+C ends the server)\n'
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize('number, status', [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_signals_end_the_live_server(tiny, tmp_path, monkeypatch, number, status):
    handler, show = signal.getsignal(signal.SIGTERM), MjpegServer.show

    def show_and_signal(self, image):
        show(self, image)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(MjpegServer, 'show', show_and_signal)
    assert cli.main(['derain', str(tmp_path / 'in.avi'), '--live', '--port', str(free_port()), *tiny]) == status
    assert signal.getsignal(signal.SIGTERM) is handler
