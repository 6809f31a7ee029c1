"""Options of commands that write videos."""

import signal

import av
import pytest
from conftest import free_port
from video_files import make_video

from mmderain import cli
from mmderain.apis import init_model
from mmderain.cli.command import CommandParser
from mmderain.cli.video_options import add_video_options, video_options
from mmderain.errors import InputError
from mmderain.io import read_frames, save_weights
from mmderain.io.video import VideoOptions
from mmderain.io.video.sequence import list_sequence


@pytest.fixture
def parser():
    parser = CommandParser('Test.')
    add_video_options(parser)
    return parser


def test_the_options_become_one_object(parser):
    assert video_options(parser.parse_args([])) == VideoOptions()
    words = '--codec av1 --crf 40 --pix-fmt yuv420p10le --bit-depth 10 --odd crop --audio none --container mkv'
    words += ' --temporal 2 --temporal-method flow'
    assert video_options(parser.parse_args(words.split())) == VideoOptions(
        codec='av1',
        crf=40,
        pix_fmt='yuv420p10le',
        bit_depth=10,
        odd='crop',
        audio='none',
        container='mkv',
        temporal=2,
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
    assert f'error: {pattern}: already exists; use --existing replace or skip' in capsys.readouterr().err
    assert cli.main([*arguments, '--existing', 'skip']) == 0
    assert cli.main(['derain', pattern, '--out', str(tmp_path / 'out'), *tiny]) == 0
    assert count_frames(tmp_path / 'out/frames.mp4') == len(list_sequence(pattern))
    assert cli.main(['derain', pattern, pattern, '--out', str(tmp_path / 'out'), *tiny]) == 1
    assert 'error: found 2 inputs; expected only one if --out or an input is a pattern' in capsys.readouterr().err


def test_live_needs_one_input_and_no_folder(tiny, capsys):
    assert cli.main(['derain', '0', '1', '--live', *tiny]) == 1
    assert 'error: --live: found 2 inputs; expected one camera or address' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(['derain', 'a.png', *tiny])
    assert 'the following arguments are required: --out' in capsys.readouterr().err


def test_the_live_server_stops_when_the_source_ends(tiny, tmp_path, capsys):
    port, handler = free_port(), signal.getsignal(signal.SIGTERM)
    try:
        assert cli.main(['derain', str(tmp_path / 'in.avi'), '--live', '--port', str(port), *tiny]) == 0
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert capsys.readouterr().out == f'http://127.0.0.1:{port}/  (Ctrl+C ends the server)\n'
