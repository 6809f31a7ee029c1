"""The tool reliability.py makes its page from the committed results, and runs campaigns, here small versions."""

import json
import random
import sys

import pytest
from conftest import ROOT, load_tool

from mmderain.io import read_image


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.setattr(sys, 'path', [*sys.path])
    return load_tool('dev/reliability')


def test_the_page_is_made_from_the_committed_results(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool.page, 'PAGE', tmp_path / 'page.md')
    assert tool.main(['page']) == 0
    assert (tmp_path / 'page.md').read_text() == (ROOT / 'docs/en/reliability.md').read_text()


def test_the_page_sums_the_outcomes_over_the_readers_of_a_format(tool):
    table = {
        '.png, api': dict(read=1, refused=2, other=0),
        '.png, command': dict(read=3, refused=4, other=5),
        '.yml, read_config': dict(read=6, refused=7, other=8),
    }
    assert tool.page.by_format(table) == {
        '.png': dict(read=4, refused=6, other=5),
        '.yml': dict(read=6, refused=7, other=8),
    }


def test_the_committed_results_support_the_claims_of_the_page(tool):
    results = {result['campaign']: result for result in json.loads(tool.RESULTS.read_text())}
    assert set(results) == set(tool.CAMPAIGNS)
    assert results['training-kills']['kills'] + results['training-kills-2']['kills'] >= 100
    assert results['inference-kills']['kills'] >= 50 and results['mutations']['files'] >= 2000
    for name in ('training-kills', 'training-kills-2'):
        assert results[name]['damaged_checkpoints'] == 0 and results[name]['identical_runs'] == results[name]['runs']
    assert results['inference-kills']['half_written_files'] == 0
    assert not results['mutations']['crashes'] and not results['mutations']['other_errors']
    assert 'wrong image' not in results['web-users']['outcomes']
    assert not {'answered', 'file returned'} & set(results['web-users']['hostile'])


def test_damaged_files_are_the_same_in_every_run(tool, tmp_path):
    files = tool.mutations.originals(tmp_path)
    assert {path.suffix for path in files} >= {*tool.mutations.IMAGES, *tool.mutations.VIDEOS, '.pth', '.yml', '.txt'}
    assert read_image(tmp_path / 'a.png').shape == (48, 64, 3)
    content = (tmp_path / 'a.png').read_bytes()
    assert (
        tool.mutations.mutate(content, random.Random(3)) == tool.mutations.mutate(content, random.Random(3)) != content
    )


def test_every_damaged_file_is_read_or_refused(tool, tmp_path):
    (tmp_path / 'originals').mkdir()
    files = tool.mutations.originals(tmp_path / 'originals')
    tool.mutations.try_files(range(len(files)), files, tmp_path / 'report.jsonl')
    lines = [json.loads(line) for line in (tmp_path / 'report.jsonl').read_text().splitlines()]
    assert {line['outcome'] for line in lines} == {'read', 'refused'} and len(lines) > 40
