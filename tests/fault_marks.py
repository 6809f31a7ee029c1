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
from collections.abc import Iterable, Iterator, KeysView
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
def missing_calls(interfaces: Iterable[str]) -> Iterator[KeysView[str]]:
    """Watch which interfaces are called inside a ``with`` block, also by threads that start in the block.

    Args:
        interfaces: names of interfaces.

    Yields:
        The set of the interfaces that have not been called yet, which shrinks.
    """
    missing = {name: entries_of(name) for name in interfaces}
    seen: set[CodeType] = set()

    def record(frame, event, _):
        if not missing:
            sys.setprofile(None)  # the rest of this thread runs faster
        elif event == 'call' and (code := frame.f_code) not in seen:
            seen.add(code)
            for name, entries in list(missing.items()):
                if any(is_entry(code, entry) for entry in entries):
                    missing.pop(name, None)

    threading.setprofile(record)
    sys.setprofile(record)
    try:
        yield missing.keys()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def is_entry(code: CodeType, entry: CodeType | tuple[str, str]) -> bool:
    """Return whether a called function is one of the functions that :func:`entries_of` returns."""
    if isinstance(entry, CodeType):
        return code is entry
    file, name = entry
    return code.co_name == name and code.co_filename.endswith(f'/{file}')


def entries_of(interface: str) -> list[CodeType | tuple[str, str]]:
    """Return the functions of which an interface calls at least one, as their code or as their file and name."""
    if interface.startswith('mmderain '):
        module = interface.split()[1].replace('-', '_')
        return FUNCTIONS.get(interface, [(f'mmderain/cli/{module}.py', 'run')])
    if interface.startswith('tools/'):
        return [(interface, 'main')]
    module, _, name = interface.rpartition('.')
    entry = getattr(importlib.import_module(f'mmderain.{module}'), name)
    if not isinstance(entry, type):
        return [inspect.unwrap(entry).__code__]
    methods = (getattr(value, '__func__', value) for value in vars(entry).values())
    return [inspect.unwrap(method).__code__ for method in methods if inspect.isfunction(method)]
