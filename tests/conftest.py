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
#: Benchmark pairs and the authors' checkpoints. They are for research only and not part of the project.
SHARED = Path(os.environ.get('MMDERAIN_SHARED', ROOT.parent / 'shared'))

if 'PYTEST_XDIST_WORKER' in os.environ:  # one of several test processes, which together use each core once
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
        pytest.skip(f'needs {path} of the research data (looked for in {SHARED}; MMDERAIN_SHARED names another folder)')
    return found


def load_tool(path: str):
    """Import a script of tools/ as a module."""
    name = 'tool_' + path.replace('/', '_')
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{path}.py')
        sys.modules[name] = importlib.util.module_from_spec(spec)
        sys.path.append(str(Path(spec.origin).parent))  # a tool may import modules of its folder, as when it is run
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def free_port() -> int:
    """Return the number of a TCP port that nobody listens on."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def smooth_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a smooth BGR uint8 image whose pixels all differ, for tests of geometry and pairing."""
    y, x = np.mgrid[:height, :width]
    planes = [127 + 100 * np.sin(0.11 * (c + 1) * x + 0.07 * y + seed + c) for c in range(3)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def write_pairs(root: Path, names, size=(40, 50)) -> None:
    """Write ``root/rain/rain-<n>.png`` and ``root/norain/norain-<n>.png``; the clean image is 20 levels darker."""
    for seed, name in enumerate(names):
        rainy = np.clip(smooth_image(*size, seed), 20, 255)
        mmcv.imwrite(rainy, str(root / 'rain' / f'rain-{name}.png'))
        mmcv.imwrite(rainy - 20, str(root / 'norain' / f'norain-{name}.png'))


@pytest.fixture(autouse=True, scope='session')
def _short_runs():
    """Avoid operations that take most of the time of a short run."""
    gc.freeze()  # mmengine calls gc.collect for each data set, which then skips all that was imported
    with pytest.MonkeyPatch.context() as patch:
        # mmengine formats the config of a run with yapf up to six times. A stand-in comes first on the path of this
        # process and of the programs that tests start.
        patch.syspath_prepend(STUBS)
        patch.setenv('PYTHONPATH', str(STUBS), prepend=os.pathsep)
        # mmengine reads a hundred YAML files of mmdet or mmseg each time a config inherits from one of them.
        patch.setattr(mmengine.config.utils, 'load', functools.cache(mmengine.config.utils.load))
        # torch waits 5 seconds by default for each worker process of a data loader that is garbage-collected.
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
