"""Handle the differences between the releases and forks of OpenMMLab. No other module does this.

Two sets of distributions install the same import names (mmengine, mmcv, mmdet, mmseg): the maintained ``onedl-*`` forks
and the originals. Importing this module checks that mmengine and mmcv are installed. The module makes three things work
with both sets: ``_base_ = 'mmseg::...'`` in configs, resuming with torch >= 2.6, and training in several processes on a
CPU.
"""

import gc
import importlib
import os
from collections.abc import Callable
from importlib import metadata, util

_STACKS_HINT = (
    'Install one set of OpenMMLab packages: `pip install mmderain[onedl]` (maintained forks) or '
    '`pip install mmderain[openmmlab]` (originals). If you need the operators of mmcv, add '
    '`--no-build-isolation` to the command.'
)

for _name in ('mmengine', 'mmcv'):
    if util.find_spec(_name) is None:
        raise ImportError(f'mmderain needs {_name}, which is not installed. {_STACKS_HINT}')

import torch  # noqa: E402
from mmengine.config import utils as _config_utils  # noqa: E402
from mmengine.logging.history_buffer import HistoryBuffer  # noqa: E402

from .errors import InputError  # noqa: E402

# Maps an import name to the names of the distributions that may provide it: first the fork, then the original.
_DISTRIBUTIONS = {
    'mmderain': ('mmderain',),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
}


def installed_distribution(module: str) -> str | None:
    """Return the name of the installed distribution that provides a module, or None if there is no such distribution.

    Args:
        module: ``'mmdet'``, ``'mmseg'`` or ``'mmderain'``.
    """
    for name in _DISTRIBUTIONS[module]:
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return name
    return None


def map_config_scopes() -> None:
    """Make ``_base_ = '<module>::...'`` in configs find the installed package.

    mmengine uses a table that maps the name of a module to the name of its distribution, for example ``mmseg`` to
    ``mmsegmentation``. The table of mmengine contains only the originals. This function writes the names of the
    installed distributions into the table. A module without an installed distribution, for example a module on
    ``PYTHONPATH``, is mapped to its own name.
    """
    for module in _DISTRIBUTIONS:
        _config_utils.MODULE2PACKAGE[module] = installed_distribution(module) or module


def _history_buffer_method(owner: type, name: str) -> Callable:
    """Return a public method of HistoryBuffer. This function replaces ``getattr`` when a checkpoint is read."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise ValueError(f'refused to load {owner!r}.{name} from a checkpoint; expected a method of HistoryBuffer')
    return getattr(owner, name)


def allow_resuming() -> None:
    """Allow ``torch.load(weights_only=True)`` to read the checkpoints of mmengine's Runner.

    These checkpoints contain objects of mmengine's class ``HistoryBuffer``, which store the smoothed losses in numpy
    arrays. By default, torch >= 2.6 refuses to load such objects. mmengine 0.10.7 can then not resume a training.

    When a checkpoint is read, a ``HistoryBuffer`` looks up its own methods with ``getattr``. This function allows
    ``getattr`` only for the public methods of ``HistoryBuffer``.
    """
    import numpy as np

    # numpy 2 renamed numpy.core to numpy._core.
    multiarray = importlib.import_module(
        'numpy._core.multiarray' if np.lib.NumpyVersion(np.__version__) >= '2.0.0' else 'numpy.core.multiarray'
    )
    dtypes = [type(np.dtype(kind)) for kind in ('f8', 'f4', 'i8', 'i4', 'b1', 'u8')]
    globals_ = [HistoryBuffer, np.ndarray, np.dtype, *dtypes]
    globals_.append((_history_buffer_method, 'builtins.getattr'))
    # A checkpoint that was written with numpy 1 contains the name `numpy.core`. With numpy 2, it is `numpy._core`.
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        globals_ += [(getattr(multiarray, name), f'{module}.{name}') for name in ('_reconstruct', 'scalar')]
    torch.serialization.add_safe_globals(globals_)


def init_cpu_distributed(launcher: str) -> dict | None:
    """Start a gloo process group for ``--launcher pytorch`` on a machine without a GPU.

    mmengine's own code for this launcher calls ``torch.cuda.set_device`` and wraps the model with ``device_ids``. Both
    steps fail without a GPU. On a machine with a GPU, or for another launcher, this function does nothing.

    Args:
        launcher: value of ``--launcher``.

    Returns:
        The ``model_wrapper_cfg`` that the Runner needs. None if the function did nothing.

    Raises:
        InputError: an environment variable that ``torchrun`` sets is missing.
    """
    if launcher != 'pytorch' or torch.cuda.is_available():
        return None
    if not torch.distributed.is_initialized():
        missing = [key for key in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK') if key not in os.environ]
        if missing:
            raise InputError(
                f'--launcher pytorch: missing environment variables: {", ".join(missing)}. '
                'Start the tool with torchrun or tools/dist_train.sh, or leave out --launcher.'
            )
        torch.distributed.init_process_group('gloo')
    return dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)


def end_distributed() -> None:
    """Wait for the other processes of a run, close the connections to them, and end the threads of the connections.

    Without this step, the launcher can report a failure after a complete run. There are two causes: another process has
    already closed its connections, or a thread of the backend gloo still runs while Python ends.

    Call this function after the last variable that refers to the runner is gone. The model of a runner keeps the
    threads alive.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gc.collect()  # the runner and its hooks refer to each other
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


map_config_scopes()
allow_resuming()
