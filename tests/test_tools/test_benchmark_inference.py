"""The tool that measures the inference pipeline."""

import json

import pytest
import torch
from conftest import ROOT, load_tool

from mmderain.apis import DerainInferencer
from mmderain.models import NetworkSpec
from mmderain.registry import MODELS


@MODELS.register_module()
class Quarter(torch.nn.Module):
    """Network without weights that divides all levels by 4, and adds two levels in batches of several images."""

    spec = NetworkSpec()

    def forward(self, x):
        return [((x * 63.75).floor() + (2 if len(x) > 1 else 0)) / 255]


CONFIG = dict(model=dict(type='Derainer', network=dict(type='Quarter')), default_scope='mmderain')
TOOL = load_tool('analysis_tools/benchmark_inference')
LOOPS = TOOL.sys.modules['inference_loops']


def test_the_sequential_loop_and_the_pipeline_write_the_same_files(tmp_path):
    inferencer = DerainInferencer(CONFIG)
    LOOPS.make_images(tmp_path / 'in', 6, (500, 300), 'jpg', distinct=4)
    LOOPS.run_sequential(inferencer, tmp_path / 'in', tmp_path / 'one', batch_size=2)
    LOOPS.run_pipeline(inferencer, tmp_path / 'in', tmp_path / 'two', batch_size=2, workers=2)
    names = [f'0000/{number:06}.jpg' for number in range(6)]
    for folder in ('one', 'two'):
        assert sorted(str(path.relative_to(tmp_path / folder)) for path in (tmp_path / folder).rglob('*.jpg')) == names
    assert all((tmp_path / 'one' / name).read_bytes() == (tmp_path / 'two' / name).read_bytes() for name in names)
    assert (tmp_path / 'in' / names[4]).read_bytes() == (tmp_path / 'in' / names[0]).read_bytes()
    assert LOOPS.compare_levels(inferencer, tmp_path / 'in', batch_size=2) == (1.0, 2)


def test_the_tool_reports_rates_and_ratios(tmp_path, capsys):
    out = tmp_path / 'report.json'
    words = ['--models', 'nafnet', '--formats', 'png', '--workers', '1', '--seconds', '1', '--rounds', '1']
    assert TOOL.main([*words, '--sizes', '160x160', '--batch-sizes', '2', '--out', str(out)]) == 0
    (case,) = json.loads(out.read_text())['cases']
    assert set(case['rates']) == {'network', 'sequential', 'pipeline 1', 'processes 1', 'processes 2'}
    (rates,) = case['rounds']
    assert case['ratios']['pipeline 1 / network'] == pytest.approx(rates['pipeline 1'] / rates['network'])
    assert case['ratios']['processes 2 / processes 1'] == pytest.approx(rates['processes 2'] / rates['processes 1'])
    assert case['ratios']['files / sequential'] == pytest.approx(1 - rates['sequential'] / rates['network'])
    assert 'nafnet 160x160 batch 2 png' in capsys.readouterr().out


def test_the_tool_reports_the_memory(tmp_path, capsys):
    words = [
        '--models',
        'nafnet',
        '--memory',
        '40',
        '--sizes',
        '24x24',
        '--batch-sizes',
        '4',
        '--out',
        str(tmp_path / 'm'),
    ]
    assert TOOL.main(words) == 0
    rows = json.loads((tmp_path / 'm').read_text())['rows']
    assert [row['images'] for row in rows] == list(range(2, 41, 2)) and rows[0]['mb'] > 100
    with pytest.raises(SystemExit):
        TOOL.main(['--sizes', '24x24', '32x32', '--batch-sizes', '4'])
    assert '--batch-sizes: found 1 numbers for 2 --sizes' in capsys.readouterr().err


def test_the_tool_reports_the_time_to_continue(tmp_path, capsys):
    assert TOOL.main(['--resume', '1200', '--out', str(tmp_path / 'r')]) == 0
    report = json.loads((tmp_path / 'r').read_text())
    assert (report['finished'], report['remaining']) == (1200, 0) and report['seconds']['total'] > 0


def test_the_table_of_the_page_contains_the_values_of_the_report():
    text = (ROOT / 'docs/en/scale.md').read_text(encoding='utf-8')
    for case in json.loads((ROOT / 'docs/en/reports/inference_rates.json').read_text())['cases']:
        names = ('files / sequential', 'pipeline 1 / network', 'pipeline 4 / network', 'pipeline 4 / sequential')
        share, *ratios = (case['ratios'][name] for name in names)
        cells = [str(case[name]) for name in ('model', 'size', 'batch_size', 'format', 'images')]
        assert f'| {" | ".join([*cells, f"{share:.0%}", *(f"{ratio:.2f}" for ratio in ratios)])} |' in text.splitlines()
