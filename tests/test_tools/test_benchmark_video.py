"""The benchmark of the time around the network."""

import re

from conftest import load_tool


def test_benchmark_video_compares_the_conversions(capsys):
    assert load_tool('benchmark_video').main(['--size', '48x64', '--frames', '3']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('around the network, 64x48, cpu, ')
    pattern = r'  (before|now|now, with the flicker) +\d+\.\d\d ms a frame, +\d+\.\d times as fast'
    assert [re.fullmatch(pattern, line)[1] for line in lines[1:]] == ['before', 'now', 'now, with the flicker']


def test_benchmark_video_compares_the_average_with_the_network(capsys):
    words = ['--size', '32x32', '--frames', '1', '--model', 'sian_compact', '--temporal', '2']
    assert load_tool('benchmark_video').main(words) == 0
    lines = capsys.readouterr().out.splitlines()[4:]
    pattern = r'(network|flow, 2 earlier frames|fixed, 2 earlier frames): \d+\.\d ms a frame(, \d+\.\d%)?'
    names = ['network', 'flow, 2 earlier frames', 'network', 'fixed, 2 earlier frames']
    assert [re.fullmatch(pattern, line)[1] for line in lines] == names


def test_benchmark_video_compares_the_video_with_the_network(capsys):
    words = ['--size', '32x32', '--frames', '4', '--model', 'sian_compact', '--rounds', '2']
    assert load_tool('benchmark_video').main(words) == 0
    lines = capsys.readouterr().out.splitlines()[4:]
    assert len(lines) == 4 and lines[0].startswith('network alone: ') and lines[3].startswith('derain_video: ')
    alone = [float(word) for word in re.findall(r'\d+\.\d\d', lines[2])]
    whole, share = (float(word) for word in re.findall(r'\d+\.\d+', lines[3]))
    assert len(alone) == 2 and abs(share - 100 * whole / (sum(alone) / 2)) < 2
