"""The tools that measure the bundled derainers and make the pages with results."""

import json

import mmcv
import numpy as np
import pytest
from conftest import ROOT, load_tool, smooth_image

from mmderain.rain import draw_rain


@pytest.fixture
def results():
    return load_tool('dev/results')


@pytest.fixture
def measuring(monkeypatch, tmp_path):
    """Return the measuring tool, which writes to a temporary folder."""
    tool = load_tool('dev/measure_derainers')
    monkeypatch.setattr(tool, 'RESULTS', tmp_path)
    return tool


def test_the_written_pages_belong_to_the_stored_results(results):
    assert results.PAGE.read_text() == results.page()
    assert results.CARD.read_text() == results.card()
    assert results.ATTRIBUTION.read_text() == results.attribution()
    assert '{' not in results.page().replace('${', '')


def test_a_row_gives_the_recovered_share_of_the_accuracy(results, monkeypatch):
    def row(rain, treatment, value, psnr=None):
        return dict(rain=rain, treatment=treatment, metrics={'mIoU': value}, interval=[value - 1, value + 1], psnr=psnr)

    rows = [row(None, 'clean', 80.0), row('heavy', 'rainy', 40.0, 14.0), row('heavy', 'derained', 70.0, 28.25)]
    monkeypatch.setattr(results, 'read_json', lambda name: dict(rows=rows))
    assert results.joint_table('any').splitlines()[2:] == [
        '|  | clean |  | 80.0 | 79.0 to 81.0 |  |',
        '| heavy | rainy | 14.00 | 40.0 | 39.0 to 41.0 |  |',
        '| heavy | derained | 28.25 | 70.0 | 69.0 to 71.0 | 75% |',
    ]


def test_scores_are_measured_and_missing_test_sets_keep_theirs(measuring, tmp_path, capsys):
    data = tmp_path / 'data'
    clean = smooth_image(64, 64)
    rainy = draw_rain(clean, 'heavy', 1).rainy
    mmcv.imwrite(rainy, str(data / 'rain100h_sample/rain/rain-005.png'))
    mmcv.imwrite(clean, str(data / 'rain100h_sample/norain/norain-005.png'))
    old = dict(sets=dict(rain100l=dict(images=21, scores=dict(rainy=[26.0, 0.8]))))
    (tmp_path / 'derainers.json').write_text(json.dumps(old))
    sets = ['--sets', 'rain100h', 'rain100l', '--models', 'nafnet']
    assert not measuring.main([str(data), *sets])
    assert 'its stored scores stay' in capsys.readouterr().out
    found = json.loads((tmp_path / 'derainers.json').read_text())['sets']
    assert found['rain100l'] == old['sets']['rain100l'] and found['rain100h']['images'] == 1
    scores = found['rain100h']['scores']
    assert scores['rainy'][0] == pytest.approx(measuring.measure(rainy, clean, 'PSNR-Y'), abs=1e-4)
    assert list(scores) == ['rainy', 'median', 'nafnet'] and scores['nafnet'][0] > scores['rainy'][0]


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['missing'], 'missing: no such folder'),
        (['.', '--models', 'other'], '--models: found other; expected names among nafnet'),
    ],
)
def test_wrong_arguments_are_refused(measuring, arguments, message, capsys):
    assert measuring.main(arguments) == 1
    assert message in capsys.readouterr().err


def test_the_lamp_mask_has_the_size_of_its_photograph():
    mask = mmcv.imread(str(ROOT / 'docs/results/lamp_mask.png'), 'grayscale')
    assert mask.shape == (369, 540) and set(np.unique(mask)) == {0, 255} and (mask > 0).sum() == 88 * 16


def test_the_time_to_reach_a_goal_doubles_with_each_equal_gain():
    needed_hours = load_tool('dev/extrapolate_training').needed_hours
    assert needed_hours(26.0, gain=1.0, times=(2.0, 4.0), goal=26.0) == 4
    assert needed_hours(26.0, gain=1.0, times=(2.0, 4.0), goal=28.0) == 16
    assert needed_hours(26.0, gain=0.5, times=(1.0, 4.0), goal=26.5) == 16
    assert needed_hours(26.0, gain=0.0, times=(2.0, 4.0), goal=27.0) == float('inf')
