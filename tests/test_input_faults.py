"""Each kind of faulty inputs has tests for every command, tool and public function that it concerns."""

import argparse

import pytest
from conftest import ROOT
from input_faults import INTERFACES, KINDS, USED, table, words_of

import mmderain.apis
import mmderain.io
from mmderain.cli import build_parser


def test_every_interface_has_a_row():
    (commands,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    expected = {f'mmderain {name}' for name in commands.choices}
    expected |= {path.relative_to(ROOT).as_posix() for path in (ROOT / 'tools').glob('*.py')}
    expected |= {f'io.{name}' for name in mmderain.io.__all__} | {f'apis.{name}' for name in mmderain.apis.__all__}
    assert set(INTERFACES) == expected, 'add a row to INTERFACES in tests/input_faults.py, or remove one'
    assert set(USED) <= expected


@pytest.mark.parametrize('number', KINDS)
def test_the_tests_of_a_kind_use_every_interface_that_it_concerns(number):
    words = set().union(*(words_of(path) for path in KINDS[number].files()))
    concerned = [name for name, kinds in INTERFACES.items() if isinstance(kinds, tuple) and number in kinds]
    assert concerned
    own = {name: name.removeprefix('mmderain ').removeprefix('tools/').removesuffix('.py') for name in concerned}
    names = {name: USED.get(name, [own[name].split('.')[-1]]) for name in concerned}
    assert [name for name in concerned if words.isdisjoint(names[name])] == []


def test_each_file_has_a_parametrized_test_or_a_table():
    for number, kind in KINDS.items():
        texts = [path.read_text(encoding='utf-8') for path in kind.files()]
        assert any('parametrize(' in text for text in texts), f'kind {number} has no parametrized test'


def test_the_page_shows_the_table():
    page = (ROOT / 'docs/en/input_faults.md').read_text(encoding='utf-8')
    assert table() in page, f'copy this to docs/en/input_faults.md:\n{table()}'
