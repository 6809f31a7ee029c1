"""Run the tests with other versions of Python, torch and the OpenMMLab packages, and write docs/en/compatibility.md.

    python tools/dev/compatibility.py python-3.10 --python python3.10
    python tools/dev/compatibility.py page

A combination of versions is called a cell. The tool clones the last commit of the checkout to a temporary folder. It
sets up an environment there, and runs all tests except those that are marked `soak`. It stores the result in
docs/en/reports/compatibility.json, and replaces an earlier result of the same cell. The exit status is 1 if a test
failed. Environment variables such as PIP_FIND_LINKS have the same effect as in tools/dev/setup_venv.sh.

The second example runs no tests. It writes docs/en/compatibility.md from the stored results of all cells.
"""

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmderain.cli.command import CommandParser, command
from mmderain.errors import InputError
from mmderain.io import atomic_write

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / 'docs/en/reports/compatibility.json'
PAGE = ROOT / 'docs/en/compatibility.md'
#: Packages whose installed versions are stored with the result.
PACKAGES = [
    'torch', 'torchvision', 'numpy', 'onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection', 'onedl-mmsegmentation',
    'mmengine', 'mmcv', 'mmdet', 'mmsegmentation',
]  # fmt: skip
PAGE_HEAD = """# Tested versions

The tests were run with several combinations of versions, which are called cells:

| cell | what is special |
|---|---|
| newest-torch | Python 3.11, and the versions of the packages that `make test` installs |
| oldest-torch | the oldest torch that mmderain supports |
| originals | the original OpenMMLab packages, instead of the maintained `onedl-*` packages |
| python-3.10 | the oldest Python that mmderain supports |
| python-3.12 | the newest Python that mmderain supports |

All tests are run, except the endurance tests. Tests that need a GPU or a missing package are skipped. In the cells
python-3.10 and python-3.12, mmcv has no compiled operators. The tests of mmdet and mmsegmentation need these operators,
and are skipped there.

This command tests a cell:

```bash
python tools/dev/compatibility.py CELL --python PYTHON
```

This command writes this page from the stored results:

```bash
python tools/dev/compatibility.py page
```

"""


@dataclass(frozen=True)
class Cell:
    """A combination of versions.

    Attributes:
        python: minor version of Python.
        torch: version of torch. None uses the version in requirements/lock.txt.
        torchvision: version of torchvision that fits this torch. None uses the version in requirements/lock.txt.
        stack: name of the extra in pyproject.toml that installs the OpenMMLab packages: ``'onedl'`` or ``'openmmlab'``.
        operators: whether mmcv is installed with its compiled operators. mmdet and mmsegmentation need them.
    """

    python: str
    torch: str | None = None
    torchvision: str | None = None
    stack: str = 'onedl'
    operators: bool = True


CELLS = {
    'newest-torch': Cell('3.11'),
    'oldest-torch': Cell('3.11', torch='2.7.0', torchvision='0.22.0'),
    'originals': Cell('3.11', stack='openmmlab'),
    'python-3.10': Cell('3.10', operators=False),
    'python-3.12': Cell('3.12', operators=False),
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('cell', choices=[*CELLS, 'page'], help='cell to test; page: only write the page')
    parser.add_argument(
        '--python',
        default=sys.executable,
        metavar='PROGRAM',
        help='Python interpreter for the environment of the cell (default: the interpreter that runs this tool)',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=os.cpu_count(),
        metavar='N',
        help='number of test processes that run at the same time (default: the number of CPU cores)',
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int:
    """Test a cell, or write the page; return 1 if a test failed."""
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    if args.cell == 'page':
        with atomic_write(PAGE) as part:
            part.write_text(page(results), encoding='utf-8')
        return 0
    result = test_cell(CELLS[args.cell], args.python, args.jobs)
    results[args.cell] = result
    with atomic_write(RESULTS) as part:
        part.write_text(json.dumps({name: results[name] for name in CELLS if name in results}, indent=1) + '\n')
    print(json.dumps(result))
    return 1 if result['failed'] else 0


def test_cell(cell: Cell, python: str, jobs: int) -> dict:
    """Set up an environment, run the tests in it, and return the installed versions and the results of the tests.

    Args:
        cell: the versions to install.
        python: interpreter of the environment.
        jobs: number of test processes.

    Raises:
        InputError: the interpreter does not have the Python version of the cell, the set-up failed, or the tests did
            not start.
    """
    version = output_of(python, '-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])').strip()
    if not version.startswith(f'{cell.python}.'):
        raise InputError(f'--python {python}: is Python {version}, but this cell needs Python {cell.python}')
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder) / 'mmderain'
        output_of('git', 'clone', '--quiet', str(ROOT), str(checkout))
        environment = os.environ | dict(PYTHON=python)
        environment.pop('PYTHONPATH', None)
        for line in setup_commands(cell, checkout):
            print('+', *line, flush=True)
            if subprocess.run(line, cwd=checkout, env=environment).returncode:
                raise InputError(f'the set-up failed at: {" ".join(line)}')
        report = Path(folder) / 'report.xml'
        pytest = ['.venv/bin/python', '-m', 'pytest', '-q', '-n', str(jobs), '--dist=worksteal', f'--junitxml={report}']
        subprocess.run(pytest, cwd=checkout, env=environment)  # the report tells which tests failed
        if not report.is_file():
            raise InputError('the tests did not start; see the output of pytest')
        freeze = output_of(str(checkout / '.venv/bin/python'), '-m', 'pip', 'list', '--format=json')
        installed = {package['name']: package['version'] for package in json.loads(freeze)}
        return dict(
            date=f'{datetime.date.today()}',
            python=version,
            operators=cell.operators,
            packages={name: installed[name] for name in PACKAGES if name in installed},
            **read_report(report),
        )


def setup_commands(cell: Cell, checkout: Path) -> list[list[str]]:
    """Write the versions of a cell to requirements/lock.txt. Return the commands that set up the environment."""
    lock = checkout / 'requirements/lock.txt'
    if cell.torch is not None:
        lock.write_text(with_torch(lock.read_text(encoding='utf-8'), cell), encoding='utf-8')
    if cell.operators and cell.stack == 'onedl':
        return [['tools/dev/setup_venv.sh', 'full']]
    pip = ['.venv/bin/python', '-m', 'pip', 'install', '--quiet', '-c', 'requirements/lock.txt']
    base = ['tools/dev/setup_venv.sh', 'base']
    if cell.stack == 'onedl':
        return [base, [*pip, '-e', '.[test]']]
    # Both families of OpenMMLab packages install the same folders. Therefore one is removed before the other one is
    # installed. The original mmengine does not find the configs of an editable installation.
    remove = ['.venv/bin/python', '-m', 'pip', 'uninstall', '--quiet', '--yes', 'onedl-mmengine', 'onedl-mmcv']
    return [base, remove, [*pip, 'ninja'], [*pip, '--no-build-isolation', '.[openmmlab,test]']]


def with_torch(lock: str, cell: Cell) -> str:
    """Return the text of lock.txt with the torch version of a cell, and without the packages that torch itself pins."""
    chosen_by_torch = re.compile(r'(torch|torchvision|triton|sympy|(nvidia|cuda)-.*)==')
    lines = [line for line in lock.splitlines() if not chosen_by_torch.match(line)]
    return '\n'.join([*lines, f'torch=={cell.torch}', f'torchvision=={cell.torchvision}', ''])


def read_report(path: Path) -> dict:
    """Return the numbers of passed, skipped and failed tests, and the names of failed tests, from a JUnit report."""
    cases = list(ElementTree.parse(path).getroot().iter('testcase'))
    failed = [case for case in cases if case.find('failure') is not None or case.find('error') is not None]
    skipped = [case for case in cases if case.find('skipped') is not None]
    names = sorted(f'{case.get("classname")}.{case.get("name")}' for case in failed)
    return dict(passed=len(cases) - len(failed) - len(skipped), skipped=len(skipped), failed=names)


def page(results: dict[str, dict]) -> str:
    """Return the page as Markdown."""
    lines = [
        '| cell | Python | torch | mmengine | mmcv | mmdet | mmsegmentation | passed | skipped | failed | date |',
        '|---' * 11 + '|',
    ]
    for name, result in results.items():
        packages = result['packages']
        columns = [name, result['python'], packages['torch']]
        for original, fork in (
            ('mmengine', 'onedl-mmengine'),
            ('mmcv', 'onedl-mmcv'),
            ('mmdet', 'onedl-mmdetection'),
            ('mmsegmentation', 'onedl-mmsegmentation'),
        ):
            installed = next((package for package in (fork, original) if package in packages), None)
            columns.append(f'{installed} {packages[installed]}' if installed else 'not installed')
        if not result['operators']:
            columns[4] += ', without operators'
        columns += [f'{result["passed"]}', f'{result["skipped"]}', f'{len(result["failed"])}', result['date']]
        lines.append('| ' + ' | '.join(columns) + ' |')
    missing = [name for name in CELLS if name not in results]
    if missing:
        lines += ['', f'Not tested yet: {", ".join(missing)}.']
    return PAGE_HEAD + '\n'.join(lines) + '\n'


def output_of(*line: str) -> str:
    """Run a command and return its standard output.

    Raises:
        InputError: the command cannot be started, or it failed.
    """
    try:
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, 'stderr', '') or str(error)
        raise InputError(f'{" ".join(line)}: {reason.strip()}') from None


if __name__ == '__main__':
    sys.exit(main())
