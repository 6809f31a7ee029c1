"""The marker ``fault``, by which a test says which kinds of faulty inputs it gives to which interfaces.

``@pytest.mark.fault(6, 'io.read_image', 'mmderain derain')`` says that the test gives inputs of kind 6 to both
interfaces, and checks the results or the errors. tests/input_faults.py lists the kinds and the interfaces. A test with
this marker fails if it does not call each of its interfaces.
"""

import importlib
import inspect
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[1]
#: Environment variable with the path of the file to which a run of pytest writes the markers that it has collected.
OUTPUT = 'MMDERAIN_FAULT_MARKS'
#: Maps a command to the files and functions that run only for this command. One of them must be called. The default is
#: the function ``run`` of the module with the name of the command.
FUNCTIONS = {
    'mmderain detect': [('mmderain/cli/scene.py', 'run')],
    'mmderain segment': [('mmderain/cli/scene.py', 'run')],
    'mmderain web': [('mmderain/cli/web.py', 'run'), ('mmderain/web/page.py', 'derain')],  # the start, and a request
}


def marks_of(items) -> dict[str, list[str]]:
    """Return the tests of each kind and interface, such as ``'6 io.read_image'``, among the collected items."""
    found: dict[str, list[str]] = {}
    for item in items:
        for mark in item.iter_markers('fault'):
            for interface in mark.args[1:]:
                tests = found.setdefault(f'{mark.args[0]} {interface}', [])
                if (test := item.nodeid.partition('[')[0]) not in tests:
                    tests.append(test)
    return found


def marked_files() -> list[Path]:
    """Return the test files that contain the marker."""
    return [path for path in sorted((ROOT / 'tests').rglob('test_*.py')) if 'mark.fault' in path.read_text('utf-8')]


def collect(output: Path, items=()) -> dict[tuple[int, str], set[str]]:
    """Return all tests with the marker.

    Args:
        output: path of a file that can be written.
        items: tests that pytest has already collected. If they do not include all files with the marker, a process of
            its own collects these files.

    Returns:
        Maps each pair of a kind and an interface to its tests, such as ``'tests/test_cli.py::test_x'``.
    """
    if {item.path for item in items}.issuperset(marked_files()):
        found = marks_of(items)
    else:
        words = ['-m', 'pytest', '--collect-only', '-q', '-p', 'no:cacheprovider', '-p', 'no:xdist']
        command = [sys.executable, *words, *map(str, marked_files())]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | {OUTPUT: str(output)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        found = json.loads(output.read_text(encoding='utf-8'))
    return {(int(key.split(' ', 1)[0]), key.split(' ', 1)[1]): set(tests) for key, tests in found.items()}


@contextmanager
def called_code():
    """Record which functions are called inside a ``with`` block, also by threads that start in the block.

    Yields:
        The set of their code objects, which grows.
    """
    called: set[CodeType] = set()

    def record(frame, event, _):
        if event == 'call':
            called.add(frame.f_code)

    threading.setprofile(record)
    sys.setprofile(record)
    try:
        yield called
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def is_called(interface: str, called: set[CodeType]) -> bool:
    """Return whether an interface is among the called functions."""
    if interface.startswith('mmderain '):
        module = interface.split()[1].replace('-', '_')
        functions = FUNCTIONS.get(interface, [(f'mmderain/cli/{module}.py', 'run')])
    elif interface.startswith('tools/'):
        functions = [(interface, 'main')]
    else:
        module, _, name = interface.rpartition('.')
        return not called.isdisjoint(_code_of(getattr(importlib.import_module(f'mmderain.{module}'), name)))
    return any(
        (code.co_name == name and code.co_filename.endswith(f'/{file}')) for code in called for file, name in functions
    )


def _code_of(entry: object) -> set[CodeType]:
    """Return the code of a function, or the code of the methods of a class."""
    if isinstance(entry, type):
        methods = (getattr(value, '__func__', value) for value in vars(entry).values())
        return {inspect.unwrap(method).__code__ for method in methods if inspect.isfunction(method)}
    return {inspect.unwrap(entry).__code__}
