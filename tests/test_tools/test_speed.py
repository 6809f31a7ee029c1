"""The tool speed.py makes its page from the committed results, and measures its parts, here with small images."""

import contextlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, load_tool, smooth_image
from reference.prenet import PReNet

from mmderain.evaluation import measure as score
from mmderain.io.image import to_rgb_tensor


@pytest.fixture
def tool(monkeypatch):
    """Return the tool, with a small network in place of those of the papers."""
    monkeypatch.setattr(sys, 'path', [*sys.path])
    tool = load_tool('dev/speed')
    common = sys.modules['speed_parts.common']
    for module in (common, tool.measure, tool.page):
        monkeypatch.setattr(module, 'NETWORKS', dict(sian='configs/derain/sian_sample.py'))
    for module in (common, tool.measure):
        monkeypatch.setattr(module, 'SIZE', (16, 24))
    monkeypatch.setattr(common, 'REPEATS', 6)
    return tool


def test_the_page_is_made_from_the_committed_results(monkeypatch):
    monkeypatch.setattr(sys, 'path', [*sys.path])
    tool = load_tool('dev/speed')
    assert tool.PAGE.read_text() == tool.page.page(tool.stored())


def test_the_page_names_goals_that_are_met_missed_and_not_measured(tool):
    rows = [dict(network='sian', ratio=2.5, low=2.25, high=2.75), dict(network='nasnet', ratio=2.5, low=2.0, high=3.0)]
    table = tool.page.goals(dict(precision=dict(rows=rows)))
    assert '| SIAN bf16: times as fast as fp32 | ≥ 2 | 2.50 (2.25 to 2.75) | met |' in table
    assert '| NASNet bf16: times as fast as fp32 | ≥ 3 | 2.50 (2.00 to 3.00) | missed: a network can' in table
    assert '| SIAN fp32: times as fast as PReNet | ≥ 1 | not measured |  |' in table


def test_a_goal_for_memory_is_an_upper_limit(tool):
    rows = [dict(network='sian', tensors=1.5), dict(network='jdnet', tensors=4.75)]
    table = tool.page.goals(dict(memory=dict(rows=rows)))
    assert '| SIAN: KB of tensors for each pixel | ≤ 1.5 | 1.50 | met |' in table
    assert '| JDNet: KB of tensors for each pixel | ≤ 4.5 | 4.75 | missed: ' in table


def test_each_goal_belongs_to_a_part(tool):
    goals = sys.modules['speed_parts.goals']
    parts = load_tool('dev/speed').PARTS  # with the networks of the papers
    assert {goal.part for goal in goals.GOALS} <= {*parts, *(f'growth-{n}' for n in ('jdnet', 'nasnet', 'mafnet'))} | {
        'baseline-mafnet',
        'baseline-jdnet',
    }
    assert len({goal.text for goal in goals.GOALS}) == len(goals.GOALS) == 17


@pytest.mark.parametrize('power', [0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_found(power, tool):
    assert tool.page.exponent([1, 2, 5], [3 * x**power for x in (1, 2, 5)]) == pytest.approx(power)


def test_a_ratio_is_the_time_of_the_baseline_divided_by_our_time(tool):
    row = sys.modules['speed_parts.common'].ratio_row([1.0] * 6, [1.5, 2.0, 2.0, 2.0, 2.0, 3.0], network='sian')
    assert row == dict(network='sian', ratio=2.0, low=1.5, high=3.0, ms=1.0, other_ms=1.5, pairs=6)


def test_a_part_is_stored_and_replaces_its_earlier_result(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, 'RESULTS', tmp_path / 'speed.json')
    (tmp_path / 'speed.json').write_text(json.dumps(dict(limits=dict(rows=[1]), precision=dict(rows=[2]))))
    monkeypatch.setitem(tool.PARTS, 'precision', tool.measure.precision)
    assert not tool.main(['precision'])
    found = json.loads((tmp_path / 'speed.json').read_text())
    (row,) = found['precision']['rows']
    assert found['limits'] == dict(rows=[1]) and row['network'] == 'sian' and row['pairs'] == 6
    assert 0 < row['low'] <= row['ratio'] <= row['high'] and found['precision']['torch'] == torch.__version__


def test_the_page_has_the_plot_and_the_tables_of_all_parts(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool.measure, 'SIZES', [(16, 16), (32, 32)])
    monkeypatch.setattr(tool.measure, 'BATCHES', (1, 2))
    monkeypatch.setattr(tool.measure.Benchmark, 'resident', lambda *_: 1024 * 320 * 480)
    rows = list(tool.measure.growth('sian'))
    assert [(row['of'], row.get('size'), row.get('batch'), row.get('tile')) for row in rows] == [
        ('size', [16, 16], 1, None),
        ('size', [32, 32], 1, None),
        ('batch', [16, 16], 1, None),
        ('batch', [16, 16], 2, None),
        ('tile', None, None, 128),
        ('tile', None, None, 256),
    ]
    (memory,) = tool.measure.memory()
    assert memory['resident'] == 1.0 and memory['tensors'] > 0
    shared = dict(date='2026-01-01', machine='cpu', threads=1, torch='2', load=0.0, commit='abc')
    report = {'growth-sian': dict(shared, rows=rows), 'memory': dict(shared, rows=[memory])}
    text = tool.page.page(report)
    assert '| sian | size | 0.00 to 0.00 | ' in text and '| sian | tiles of 256 | 0.26 | ' in text
    assert '| growth-sian | 2026-01-01 | cpu | 1 | 2 | 0.0 | abc |' in text
    tool.page.plot(report, tmp_path / 'plot.png')
    assert (tmp_path / 'plot.png').read_bytes().startswith(b'\x89PNG')


def test_trees_are_compared_in_pairs_whose_order_alternates(tool, monkeypatch):
    order = []

    def time_in_tree(script: Path, tree: Path, name: str, job: dict) -> float:
        order.append(name)
        return 1.0 if name == 'the working tree' else 1.5

    monkeypatch.setattr(tool.measure, 'time_in_tree', time_in_tree)
    monkeypatch.setattr(tool.measure, 'checked_out', lambda *_: contextlib.nullcontext(ROOT))
    rows = list(tool.measure.baseline('sian'))
    assert [(row['precision'], row['ratio'], row['size'], row['pairs']) for row in rows] == [
        ('fp32', 1.5, '16x24', 8),
        ('bf16', 1.5, '16x24', 8),
    ]
    assert order[:4] == ['the working tree', 'e5db84e', 'e5db84e', 'the working tree']
    (row,) = tool.measure.baseline('sian', train=True)
    assert (row['precision'], row['size'], row['batch']) == ('bf16', '96x96', 8)


def test_the_quality_of_a_format_is_the_mean_score(tool):
    images = [(to_rgb_tensor(smooth_image(32, 32, seed))[None], smooth_image(32, 32, seed + 9)) for seed in range(2)]
    expected = np.mean([score(smooth_image(32, 32, seed), clean, 'PSNR-RGB') for seed, (_, clean) in enumerate(images)])
    assert tool.formats.quality(lambda rainy: rainy, images) == pytest.approx(expected)


def test_the_peer_has_the_number_of_parameters_of_its_paper():
    """Ren et al., Table 3: 168,963 parameters."""
    peer = PReNet()
    assert sum(parameter.numel() for parameter in peer.parameters()) == 168_963
    for parameter in peer.parameters():
        torch.nn.init.zeros_(parameter)
    image = torch.rand(1, 3, 8, 12)
    results = peer(image)
    assert len(results) == 6 and all(torch.equal(result, image) for result in results)
