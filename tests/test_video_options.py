"""Options of commands that write videos."""

import pytest

from mmderain.cli.command import CommandParser
from mmderain.cli.video_options import add_video_options, video_options
from mmderain.errors import InputError
from mmderain.io.video import VideoOptions


@pytest.fixture
def parser():
    parser = CommandParser('Test.')
    add_video_options(parser)
    return parser


def test_the_options_become_one_object(parser):
    assert video_options(parser.parse_args([])) == VideoOptions()
    words = '--codec av1 --crf 40 --pix-fmt yuv420p10le --bit-depth 10 --odd crop --audio none --container mkv'
    words += ' --temporal 2 --temporal-method flow --shard 1/4 --flicker'
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
        shard=(1, 4),
        measure_flicker=True,
    )


def test_wrong_options_name_the_value(parser, capsys):
    with pytest.raises(InputError, match='crf: found 60; expected a number from 0 to 51 for h264'):
        video_options(parser.parse_args(['--crf', '60']))
    for words, text in (
        (['--shard', '4/4'], "expected I/N with I from 0 to N-1, such as 0/4; found '4/4'"),
        (['--shard', '1'], "such as 0/4; found '1'"),
        (['--codec', 'mpeg4'], "invalid choice: 'mpeg4'"),
        (['--bit-depth', '12'], 'invalid choice: 12'),
    ):
        with pytest.raises(SystemExit):
            parser.parse_args(words)
        assert text in capsys.readouterr().err
