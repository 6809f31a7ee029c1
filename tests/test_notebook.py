"""The notebook of the demo: the code gives the stored outputs, and the outputs name no machine."""

import json
import re

import pytest
from conftest import ROOT

NOTEBOOK = ROOT / 'demo/derain_and_detect.ipynb'
NUMBER = re.compile(r'\d+\.\d+')


@pytest.fixture(scope='module')
def cells():
    return json.loads(NOTEBOOK.read_text(encoding='utf-8'))['cells']


def stored_text(cell):
    """Return the text that a cell has printed, as the notebook shows it."""
    return ''.join(line for output in cell['outputs'] for line in output.get('text', []))


@pytest.mark.usefixtures('task_models')
def test_the_cells_print_what_the_notebook_shows(cells, monkeypatch, capsys):
    """Run the code cells in order. A printed number may differ from the stored one by its last digit."""
    monkeypatch.chdir(NOTEBOOK.parent)  # as Jupyter does
    namespace, printed = {'__name__': '__main__'}, ''
    for cell in cells:
        if cell['cell_type'] == 'code':
            exec(compile(''.join(cell['source']), NOTEBOOK.name, 'exec'), namespace)
            out, expected = capsys.readouterr().out, stored_text(cell)
            assert NUMBER.split(out) == NUMBER.split(expected)
            for number, stored in zip(NUMBER.findall(out), NUMBER.findall(expected)):
                assert float(number) == pytest.approx(float(stored), abs=1.01 * 10 ** -len(stored.partition('.')[2]))
            printed += out
    assert namespace['psnr'] == pytest.approx({'rainy': 18.283, 'derained': 32.63}, abs=0.02)
    assert 'rainy    6 persons; mean score 0.45; 4 of the clean 6\n' in printed
    assert 'the same result: True\n' in printed


def test_the_stored_outputs_are_complete_and_name_no_machine(cells):
    assert 8 <= len(cells) <= 12
    code = [cell for cell in cells if cell['cell_type'] == 'code']
    assert [cell['execution_count'] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell['outputs']]
    assert {output['output_type'] for output in outputs} == {'stream', 'execute_result'}  # no error
    assert {output['name'] for output in outputs if output['output_type'] == 'stream'} == {'stdout'}  # no warning
    assert sum('image/jpeg' in output.get('data', {}) for output in outputs) == 3
    for output in outputs:
        output.get('data', {}).pop('image/jpeg', None)
    assert not re.search(r'/(home|root|tmp|work|usr|opt|Users)\b|[A-Z]:\\|0x[0-9a-f]{6}|localhost', json.dumps(outputs))
    assert NOTEBOOK.stat().st_size < 600_000
