import json
import sys

import mmcv
import pytest
import torch
from conftest import ROOT, load_tool, write_pairs

from mmderain.models import SIAN
from mmderain.models.networks.mafnet import SpatialAttention


def test_multiply_adds_of_known_layers():
    count = load_tool('analysis_tools/get_complexity').multiply_adds
    conv = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 1))
    assert count(conv, (10, 12)) == 120 * (3 * 8 * 9 + 8 * 3)
    # A convolution at half size counts for a quarter of the pixels.
    assert count(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)), (8, 8)) == 16 * 3 * 4 * 9
    # Attention counts: 64 queries in 4 bands against 110 anchors of 4 values, twice, beside the 1x1
    # convolution of the result and those of queries, keys and values, which have the wavelet in them: four bands each.
    attention = SpatialAttention(16)
    both = torch.nn.Module()
    both.attention = attention
    both.forward = lambda x: attention(*[x.repeat(1, 6, 1, 1)[:, :16]] * 2)
    assert count(both, (8, 8)) == 64 * (3 * 4 + 1) * 16 * 16 + 2 * 64 * 4 * 110 * 4
    # SIAN's first convolution and its last, once a stage, are what a stage more costs at least.
    one, two = (count(SIAN(4, stages), (16, 16)) for stages in (1, 2))
    assert two - one > 256 * (6 * 4 * 9 + 4 * 3 * 9)


def test_all_networks_learn_side_by_side(tmp_path, monkeypatch, capsys):
    """Two steps each; what is learnt in more is in docs/en/networks.md."""
    tool = load_tool('analysis_tools/compare_learning')
    write_pairs(tmp_path / 'pairs', ['001'], size=(64, 64))
    arguments = ['--rain-free', ROOT / 'demo/sample/train', '--test', tmp_path / 'pairs', '--out', tmp_path / 'out']
    arguments += ['--steps', 10, '--batch-size', 1]
    monkeypatch.setattr(sys, 'argv', ['compare_learning.py', *map(str, arguments)])
    assert tool.main() == 0
    results = json.loads((tmp_path / 'out/learning.json').read_text())
    assert [row['network'] for row in results.values()] == ['SIAN', 'JDNet', 'NASNet', 'MAFNet']
    for name, row in results.items():
        assert row['steps'] == [10] and len(row['losses']) == 1
        # The figure in the table is the one that the test wrote.
        written = json.loads((tmp_path / 'out' / name / 'metrics.json').read_text())['mean']
        assert row['PSNR-Y'] == pytest.approx(written['PSNR-Y']) and row['input'] == pytest.approx(
            written['input/PSNR-Y']
        )
    assert mmcv.imread(str(tmp_path / 'out/learning.png')).shape[1] > 1000
