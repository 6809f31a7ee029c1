"""The script that tests other versions of Python and of the dependencies, and the page with its results."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT, load_tool

from mmderain.errors import InputError

tool = load_tool('dev/compatibility')


def test_the_lock_of_another_torch_leaves_its_dependencies_to_torch():
    lock = 'numpy==2.2.6\nnvidia-cudnn-cu13==9.1\ntorch==2.11.0\ntorchvision==0.26.0\ntriton==3.6.0 ; x\ntimm==1.0\n'
    cell = tool.Cell('3.11', torch='2.7.0', torchvision='0.22.0')
    assert tool.with_torch(lock, cell) == 'numpy==2.2.6\ntimm==1.0\ntorch==2.7.0\ntorchvision==0.22.0\n'


@pytest.mark.parametrize(
    'name, stage, last, torch_pin',
    [
        ('newest-torch', 'full', 'tools/dev/setup_venv.sh full', 'torch==2.11.0'),
        ('oldest-torch', 'full', 'tools/dev/setup_venv.sh full', 'torch==2.7.0'),
        ('python-3.10', 'base', '.[test]', 'torch==2.11.0'),
        ('originals', 'base', '.[openmmlab,test]', 'torch==2.11.0'),
    ],
)
def test_set_up_of_a_cell(name, stage, last, torch_pin, tmp_path):
    (tmp_path / 'requirements').mkdir()
    lock = tmp_path / 'requirements/lock.txt'
    lock.write_text('numpy==2.2.6\ntorch==2.11.0\ntorchvision==0.26.0\n')
    commands = [' '.join(line) for line in tool.setup_commands(tool.CELLS[name], tmp_path)]
    assert commands[0] == f'tools/dev/setup_venv.sh {stage}' and commands[-1].endswith(last)
    assert torch_pin in lock.read_text().splitlines()
    # The forks of the OpenMMLab packages contain the same folders as the originals, so the forks are removed first.
    assert any('uninstall' in line and 'onedl-mmcv' in line for line in commands) == (name == 'originals')


def test_oldest_torch_is_the_lower_bound_of_the_package():
    assert f'"torch>={tool.CELLS["oldest-torch"].torch.removesuffix(".0")}"' in (ROOT / 'pyproject.toml').read_text()


def test_report_of_pytest(tmp_path):
    (tmp_path / 'test_some.py').write_text(
        'import pytest\n'
        'def test_passes(): pass\n'
        'def test_fails(): assert 0\n'
        'def test_is_skipped(): pytest.skip("no reason")\n'
        'def test_has_an_error(missing_fixture): pass\n'
    )
    arguments = [
        sys.executable,
        '-m',
        'pytest',
        '-q',
        '-p',
        'no:cacheprovider',
        '--junitxml=report.xml',
        'test_some.py',
    ]
    assert subprocess.run(arguments, cwd=tmp_path, capture_output=True).returncode == 1
    assert tool.read_report(tmp_path / 'report.xml') == dict(
        passed=1, skipped=1, failed=['test_some.test_fails', 'test_some.test_has_an_error']
    )


def test_another_interpreter_is_refused():
    other = next(cell for cell in tool.CELLS.values() if not sys.version.startswith(f'{cell.python}.'))
    with pytest.raises(
        InputError, match=rf'--python .*: is Python 3\.\d+\.\d+, but this cell needs Python {other.python}'
    ):
        tool.test_cell(other, sys.executable, 1)
    with pytest.raises(InputError, match='no-such-python'):
        tool.test_cell(other, 'no-such-python', 1)


def test_the_page_is_up_to_date():
    results = json.loads(tool.RESULTS.read_text())
    assert list(results) == [name for name in tool.CELLS if name in results]
    assert not any(result['failed'] for result in results.values())
    assert tool.PAGE.read_text() == tool.page(results)
