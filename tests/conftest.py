import functools
import gc
import importlib.util
import os
import socket
import sys
from pathlib import Path

import mmcv
import mmengine.config.utils
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.utils import ManagerMixin

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path(__file__).parent / 'data' / 'golden'
STUBS = Path(__file__).parent / 'stubs'
#: Benchmark pairs and the authors' checkpoints: for research use, no part of the project.
SHARED = Path(os.environ.get('MMDERAIN_SHARED', ROOT.parent / 'shared'))

if 'PYTEST_XDIST_WORKER' in os.environ:  # one of several test processes: together they use each core once
    torch.set_num_threads(1)
    os.environ['OMP_NUM_THREADS'] = '1'  # for the programs that tests start

#: Every network, as small as a test can use it.
SMALL_NETWORKS = [
    dict(type='SIAN', channels=4, num_stages=2),
    dict(type='JDNet', channels=16, num_units=1),
    dict(type='NASNet', channels=8, num_stages=1, num_blocks=1),
    dict(type='MAFNet', channels=8, num_modules=1),
    dict(type='NAFNet', width=4, encoder_blocks=(1, 1), decoder_blocks=(1, 1)),
]


def shared(path: str) -> Path:
    """A file or folder of the research data; skips the test, saying so, where they are not."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f'needs {path} of the research data (sought in {SHARED}; MMDERAIN_SHARED names another place)')
    return found


def load_tool(path: str):
    """A script of tools/ as a module."""
    name = 'tool_' + path.replace('/', '_')
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{path}.py')
        sys.modules[name] = importlib.util.module_from_spec(spec)
        sys.path.append(str(Path(spec.origin).parent))  # a tool may import its neighbours, as when it is run
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def free_port() -> int:
    """Return the number of a TCP port that nobody listens on."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def smooth_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth BGR uint8 image that differs everywhere, for tests of geometry and pairing."""
    y, x = np.mgrid[:height, :width]
    planes = [127 + 100 * np.sin(0.11 * (c + 1) * x + 0.07 * y + seed + c) for c in range(3)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def write_pairs(root: Path, names, size=(40, 50)) -> None:
    """``root/rain/rain-<n>.png`` and ``root/norain/norain-<n>.png``; the clean one is 20 darker."""
    for seed, name in enumerate(names):
        rainy = np.clip(smooth_image(*size, seed), 20, 255)
        mmcv.imwrite(rainy, str(root / 'rain' / f'rain-{name}.png'))
        mmcv.imwrite(rainy - 20, str(root / 'norain' / f'norain-{name}.png'))


@pytest.fixture(autouse=True, scope='session')
def _short_runs():
    """Spare short runs what takes most of their time."""
    gc.freeze()  # mmengine calls gc.collect for each data set, which then skips all that was imported
    with pytest.MonkeyPatch.context() as patch:
        # mmengine formats the config of a run with yapf up to six times. A stand-in comes first on the path of this
        # process and of the programs that tests start.
        patch.syspath_prepend(STUBS)
        patch.setenv('PYTHONPATH', str(STUBS), prepend=os.pathsep)
        # It reads a hundred YAML files of mmdet or mmseg each time when a config inherits from one of theirs.
        patch.setattr(mmengine.config.utils, 'load', functools.cache(mmengine.config.utils.load))
        # torch waits so many seconds, usually 5, for each worker process of a data loader that is garbage-collected.
        patch.setattr('torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL', 0.5)
        yield


@pytest.fixture(autouse=True)
def _isolated():
    """Start each test from one seed, and without the scopes, loggers and visualizers that tests before it have made."""
    torch.manual_seed(0)
    np.random.seed(0)
    yield
    clear_instances(ManagerMixin)


def clear_instances(kind: type[ManagerMixin]) -> None:
    """Forget the named instances that mmengine keeps of a class and of its subclasses."""
    kind._instance_dict.clear()
    for subclass in kind.__subclasses__():
        clear_instances(subclass)


@pytest.fixture(autouse=True)
def _scope(_isolated):
    init_default_scope('mmderain')
