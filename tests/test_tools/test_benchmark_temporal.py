"""The benchmark of the use of earlier frames."""

import pytest
from conftest import load_tool, smooth_image

from mmderain.io import write_frames


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp('video') / 'a.mp4'
    write_frames([smooth_image(160, 200, seed) for seed in range(7)], path, 8)
    return path


@pytest.mark.parametrize(
    'words, text',
    [
        (['--frames', '5'], '--frames: found 5; expected at least 6'),
        (
            [],
            '{video}: frame 0 has 200x160 pixels; expected at least 356x292; use a smaller --window, --pan or --frames',
        ),
        (
            ['--window', '32', '90', '--pan', '4'],
            '{video}: frame 3 has 200x160 pixels; expected at least 202x138; use a smaller --window, --pan or --frames',
        ),
    ],
)
def test_frames_and_windows_that_do_not_fit_are_refused(video, capsys, words, text):
    assert load_tool('benchmark_temporal').main([str(video), *words]) == 1
    assert capsys.readouterr().err == f'error: {text.format(video=video)}\n'


def test_a_short_video_is_refused(tmp_path, capsys):
    path = tmp_path / 'b.mp4'
    write_frames([smooth_image(160, 200)] * 5, path, 8)
    assert load_tool('benchmark_temporal').main([str(path), '--window', '32', '32']) == 1
    assert capsys.readouterr().err == f'error: {path}: has 5 frames; expected at least 6\n'
