"""The layout of the project: short files, one place for file access, and packages that import in one direction."""

import ast
import re
import subprocess

import pytest
from conftest import ROOT

#: Maps each file of more than 250 lines to the reason why it is not split. No file has more than 400 lines.
LONG_FILES = {
    'mmderain/models/networks/sian.py': 'one network, with the list of its readings',
    'mmderain/models/derainer.py': 'one class whose methods share its settings; a third of it are docstrings',
    'mmderain/models/networks/mafnet.py': 'one network; a sixth of it lists the choices that the paper leaves open',
    'mmderain/datasets/releases.py': 'a table of facts: the layouts of all published data sets',
    'tools/prepare_dataset.py': 'one program: a short function and the options of each data set',
    'tools/dev/gpu_queue.py': 'one program: its steps, and the code that limits each step to nine minutes',
    'tools/dev/training_queue.py': 'one program: the queue and its seven commands',
    'tests/image_cases.py': 'one table: the kinds of image files, with their pixels',
    'tests/test_apis/test_inferencer.py': 'tests of one class',
    'tests/test_io/test_readers.py': 'the table of all readers, with a function for each',
    'tests/test_cli.py': 'tests of the parts that all commands share',
    'tests/test_configs.py': 'tests of all configs, with the lists of their names',
    'tests/test_docs.py': 'tests of all pages and of the site',
    'tests/test_io/test_download.py': 'tests of one function, which share a server',
    'tests/test_models/test_precision.py': 'tests of the choice of the precision on many processors',
    'tests/test_packaging.py': 'tests of the set-up, the wheel and the lock',
    'tests/test_tools/test_command_lines.py': 'tests of four short tools, which share their files',
    'tests/test_tools/test_training_queue.py': 'tests of one program, which share a queue',
    'tests/test_training.py': 'tests of trainings, which share a config',
}
#: Imports against the order of LAYERS. The users of a model expect from_pretrained and save_pretrained as its methods.
EXCEPTIONS = {'mmderain/models/derainer.py': {'apis'}}
FILES = subprocess.run(['git', 'ls-files', '*.py'], cwd=ROOT, capture_output=True, text=True).stdout.split()
#: Packages of mmderain. A package imports only from packages that come before it in this list.
LAYERS = ['errors', 'version', 'compat', 'registry', 'structures', 'io', 'evaluation', 'visualization', 'rain']
LAYERS += ['datasets', 'models', 'hub', 'apis', 'engine', 'perception', 'integrations', 'web', 'cli']
#: Finds calls that read, write or replace files. Only mmderain/io may use them.
FILE_ACCESS = re.compile(
    r'cv2\.(imread|imwrite|imdecode|imencode)|mmcv\.(imread|imwrite)|Image\.open\(|os\.replace|VideoWriter\('
)

pytestmark = pytest.mark.skipif(not FILES, reason='needs a git checkout')


def test_files_are_short():
    lengths = {name: len((ROOT / name).read_text(encoding='utf-8').splitlines()) for name in FILES}
    assert {name for name, length in lengths.items() if length > 250} == set(LONG_FILES)
    assert max(lengths.values()) <= 400


def imported_packages(name: str) -> set[str]:
    """Return the packages of mmderain that a file of mmderain imports, also inside functions."""
    parts, found = name.removesuffix('.py').split('/')[1:], set()
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            modules = ['.'.join(['mmderain', *parts[: -node.level], node.module or ''])]
        elif isinstance(node, ast.ImportFrom):
            modules = [f'{node.module}.{alias.name}' for alias in node.names]
        else:
            continue
        found |= {module.split('.')[1] for module in modules if module.startswith('mmderain.')}
    return found & set(LAYERS)


@pytest.mark.parametrize('package', LAYERS)
def test_packages_import_in_one_direction(package):
    names = [n for n in FILES if n == f'mmderain/{package}.py' or n.startswith(f'mmderain/{package}/')]
    assert names
    below = set(LAYERS[: LAYERS.index(package) + 1])
    above = {name: imported_packages(name) - below - EXCEPTIONS.get(name, set()) for name in names}
    assert {name: packages for name, packages in above.items() if packages} == {}


def test_files_are_read_and_written_in_one_place():
    names = [n for n in FILES if n.startswith(('mmderain/', 'tools/', 'demo/')) and not n.startswith('mmderain/io/')]
    # The campaigns of tools/dev/reliability.py also write file formats that mmderain/io does not write.
    names = [name for name in names if not name.startswith('tools/dev/campaigns/')]
    found = [name for name in names if FILE_ACCESS.search((ROOT / name).read_text(encoding='utf-8'))]
    assert found == []
