"""Each kind of faulty inputs has a test for every interface that it concerns, and the page shows the tables."""

import argparse
import importlib

import pytest
from conftest import COLLECTED, ROOT
from fault_marks import collect, missing_calls
from input_faults import INTERFACES, KINDS, OTHERS, PAGE, concerned, page
from test_docs import PUBLIC

from mmderain.cli import build_parser
from mmderain.io import read_text, safe_name

#: Packages with public names that are no interfaces of users.
INNER = ('datasets.preparation', 'models.layers')


@pytest.fixture(scope='module')
def found(request, tmp_path_factory):
    return collect(tmp_path_factory.mktemp('faults') / 'marks', request.config.stash[COLLECTED])


def test_every_interface_has_a_row():
    (commands,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    expected = {f'mmderain {name}' for name in commands.choices}
    expected |= {path.relative_to(ROOT).as_posix() for path in (ROOT / 'tools').glob('*.py')}
    for package in set(PUBLIC) - set(INNER):
        expected |= {f'{package}.{name}' for name in importlib.import_module(f'mmderain.{package}').__all__}
    others = [name for names in OTHERS.values() for name in names]
    assert {*INTERFACES, *others} == expected, (
        'add a row to INTERFACES or OTHERS in tests/input_faults.py, or remove one'
    )
    assert len({*INTERFACES, *others}) == len(INTERFACES) + len(others)


@pytest.mark.parametrize('number', KINDS)
def test_every_cell_has_a_test(found, number):
    cells = {name for kind, name in concerned() if kind == number}
    tested = {name for kind, name in found if kind == number}
    assert cells, 'no interface is concerned'
    assert tested == cells, f'no test with @pytest.mark.fault({number}, ...), or no entry in INTERFACES'


def test_the_page_shows_the_tables(found):
    text = PAGE.read_text(encoding='utf-8')
    assert page(text, found) == text, 'run: .venv/bin/python tests/input_faults.py'


def test_a_test_must_call_the_interfaces_of_its_marker(tmp_path):
    (tmp_path / 'a').write_text('b')
    others = {'io.safe_name', 'mmderain derain', 'tools/test.py', 'apis.Plan'}
    with missing_calls(others | {'io.read_text'}) as missing:
        read_text(tmp_path / 'a')
    assert missing == others
    with missing_calls(['io.safe_name', 'io.read_text']) as missing:
        safe_name('a')
    assert missing == {'io.read_text'}
