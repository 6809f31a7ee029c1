import atexit
import functools
import gc
import importlib.util
import json
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import fault_marks
import mmcv
import mmengine.config.utils
import numpy as np
import pytest
import torch
from file_server import running_server
from mmengine.registry import init_default_scope
from mmengine.utils import ManagerMixin

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path(__file__).parent / 'data' / 'golden'
STUBS = Path(__file__).parent / 'stubs'
#: Folder with image pairs of benchmarks and with checkpoints of the authors. The repository does not contain these
#: files, because they may be used for research only.
SHARED = Path(os.environ.get('MMDERAIN_SHARED', ROOT.parent / 'shared'))

# Tests neither read the user's cache nor connect to a server, except to their own.
os.environ['MMDERAIN_HOME'] = tempfile.mkdtemp(prefix='mmderain_test_cache_')
atexit.register(shutil.rmtree, os.environ['MMDERAIN_HOME'], ignore_errors=True)
os.environ['MMDERAIN_OFFLINE'] = '1'

#: fsspec reads web servers with aiohttp.
needs_aiohttp = pytest.mark.skipif(not importlib.util.find_spec('aiohttp'), reason='needs the extra [remote]')

if 'PYTEST_XDIST_WORKER' in os.environ:  # several test processes run, so each of them uses one thread
    torch.set_num_threads(1)
    os.environ['OMP_NUM_THREADS'] = '1'  # for the programs that tests start

#: A small version of every network.
SMALL_NETWORKS = [
    dict(type='SIAN', channels=4, num_stages=2),
    dict(type='JDNet', channels=16, num_units=1),
    dict(type='NASNet', channels=8, num_stages=1, num_blocks=1),
    dict(type='MAFNet', channels=8, num_modules=1),
    dict(type='NAFNet', width=4, encoder_blocks=(1, 1), decoder_blocks=(1, 1)),
]


def shared(path: str) -> Path:
    """Return a file or folder of the research data, or skip the test if the data is missing."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(
            f'needs {path} of the research data (looked in {SHARED}; set MMDERAIN_SHARED to use another folder)'
        )
    return found


def require_task_models() -> None:
    """Skip the test if mmdet or mmseg is not installed."""
    for name in ('mmdet', 'mmseg'):
        pytest.importorskip(name, reason=f'{name} is not installed')


@pytest.fixture
def task_models():
    """Skip the test if mmdet or mmseg is not installed."""
    require_task_models()


def load_tool(path: str):
    """Import a script of tools/ as a module."""
    name = 'tool_' + path.replace('/', '_')
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{path}.py')
        sys.modules[name] = importlib.util.module_from_spec(spec)
        sys.path.append(str(Path(spec.origin).parent))  # so that the tool can import modules of its folder
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Start a mirror, and use an empty cache."""
    monkeypatch.setenv('MMDERAIN_HOME', str(tmp_path / 'cache'))
    for name in ('MMDERAIN_OFFLINE', 'MMDERAIN_TRUST_UNHASHED', 'MMDERAIN_METAFILES'):
        monkeypatch.delenv(name, raising=False)
    with running_server() as server:
        monkeypatch.setenv('MMDERAIN_MIRROR', server.url('ok'))
        yield server


def free_port() -> int:
    """Return the number of a free TCP port."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def smooth_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a smooth BGR uint8 image in which few pixels are equal, for tests of geometry and pairing."""
    y, x = np.mgrid[:height, :width]
    planes = [127 + 100 * np.sin(0.11 * (c + 1) * x + 0.07 * y + seed + c) for c in range(3)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def write_pairs(root: Path, names, size=(40, 50)) -> None:
    """Write a rainy and a clean image for each name. The clean image is 20 levels darker than the rainy image.

    The files are ``root/rain/rain-<name>.png`` and ``root/norain/norain-<name>.png``.
    """
    for seed, name in enumerate(names):
        rainy = np.clip(smooth_image(*size, seed), 20, 255)
        mmcv.imwrite(rainy, str(root / 'rain' / f'rain-{name}.png'))
        mmcv.imwrite(rainy - 20, str(root / 'norain' / f'norain-{name}.png'))


#: The collected tests, before some of them are deselected.
COLLECTED = pytest.StashKey[list]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Keep the list of the tests for tests/test_input_faults.py."""
    config.stash[COLLECTED] = list(items)
    if output := os.environ.get(fault_marks.OUTPUT):
        Path(output).write_text(json.dumps(fault_marks.marks_of(items)), encoding='utf-8')


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a test with the marker ``fault`` if it does not call the interfaces of the marker."""
    named = {interface for mark in item.iter_markers('fault') for interface in mark.args[1:]}
    if not named:
        return (yield)
    with fault_marks.missing_calls(named) as missing:
        result = yield
    assert not missing, f'the marker `fault` names interfaces that the test does not call: {sorted(missing)}'
    return result


@pytest.fixture(autouse=True, scope='session')
def _short_runs():
    """Speed up operations of mmengine and torch that would take most of the time of a short run."""
    gc.freeze()  # mmengine calls gc.collect() for each data set; it skips frozen objects
    with pytest.MonkeyPatch.context() as patch:
        # mmengine formats the config of a run with yapf up to six times, which is slow. A stand-in for yapf comes first
        # on the import path of this process, and of the programs that tests start.
        patch.syspath_prepend(STUBS)
        patch.setenv('PYTHONPATH', str(STUBS), prepend=os.pathsep)
        # mmengine reads a hundred YAML files each time a config inherits from a config of mmdet or mmseg. Here it reads
        # each file only once.
        patch.setattr(mmengine.config.utils, 'load', functools.cache(mmengine.config.utils.load))
        # When torch deletes a data loader, it waits 5 seconds by default for each worker process.
        patch.setattr('torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL', 0.5)
        yield


@pytest.fixture(autouse=True)
def _isolated():
    """Start each test with the same seeds, and delete the scopes, loggers and visualizers that the test has made."""
    torch.manual_seed(0)
    np.random.seed(0)
    yield
    clear_instances(ManagerMixin)


def clear_instances(kind: type[ManagerMixin]) -> None:
    """Delete the named instances that mmengine stores of a class and of its subclasses."""
    kind._instance_dict.clear()
    for subclass in kind.__subclasses__():
        clear_instances(subclass)


@pytest.fixture(autouse=True)
def _scope(_isolated):
    init_default_scope('mmderain')
