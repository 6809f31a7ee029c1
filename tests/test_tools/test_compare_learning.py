import json
import sys

import mmcv
import pytest
from conftest import ROOT, load_tool, write_pairs


def test_compare_learning_trains_and_tests_all_networks(tmp_path, monkeypatch, capsys):
    """Each network is trained for ten steps; docs/en/networks.md shows longer runs."""
    tool = load_tool('dev/compare_learning')
    write_pairs(tmp_path / 'pairs', ['001'], size=(64, 64))
    arguments = ['--rain-free', ROOT / 'demo/sample/train', '--test', tmp_path / 'pairs', '--out', tmp_path / 'out']
    arguments += ['--steps', 10, '--batch-size', 1]
    monkeypatch.setattr(sys, 'argv', ['compare_learning.py', *map(str, arguments)])
    assert tool.main() == 0
    results = json.loads((tmp_path / 'out/learning.json').read_text())
    assert [row['network'] for row in results.values()] == ['SIAN', 'JDNet', 'NASNet', 'MAFNet']
    for name, row in results.items():
        assert row['steps'] == [10] and len(row['losses']) == 1
        # The table contains the score from the result file of the test.
        written = json.loads((tmp_path / 'out' / name / 'metrics.json').read_text())['mean']
        assert row['PSNR-Y'] == pytest.approx(written['PSNR-Y']) and row['input'] == pytest.approx(
            written['input/PSNR-Y']
        )
    assert mmcv.imread(str(tmp_path / 'out/learning.png')).shape[1] > 1000
