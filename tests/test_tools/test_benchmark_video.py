"""The benchmark of the time around the network."""

import re

from conftest import load_tool


def test_benchmark_video_compares_the_conversions(capsys):
    assert load_tool('benchmark_video').main(['--size', '48x64', '--frames', '3']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('around the network, 64x48, cpu, ')
    pattern = r'  (before|now|now, with the flicker) +\d+\.\d\d ms a frame, +\d+\.\d times as fast'
    assert [re.fullmatch(pattern, line)[1] for line in lines[1:]] == ['before', 'now', 'now, with the flicker']
