"""Handle the differences between the releases and forks of OpenMMLab. No other module does this.

Two sets of distributions install the same import names (mmengine, mmcv, mmdet, mmseg): the maintained ``onedl-*`` forks
and the originals. Importing this module checks that mmengine and mmcv from one of these sets are installed. The module
makes three things work with both sets: ``_base_ = 'mmseg::...'`` in configs, resuming with torch >= 2.6, and training
in several processes on a CPU.
"""

import importlib
import os
from collections.abc import Callable
from importlib import metadata, util

_STACKS_HINT = (
    'Install one OpenMMLab stack: `pip install mmderain[onedl]` (maintained forks) or '
    '`pip install mmderain[openmmlab]` (originals). If you need the operators of mmcv, add '
    '`--no-build-isolation`.'
)

for _name in ('mmengine', 'mmcv'):
    if util.find_spec(_name) is None:
        raise ImportError(f'mmderain needs {_name}, which is not installed. {_STACKS_HINT}')

import torch  # noqa: E402
from mmengine.config import utils as _config_utils  # noqa: E402
from mmengine.logging.history_buffer import HistoryBuffer  # noqa: E402

from .errors import InputError  # noqa: E402

# Maps an import name to the names of the distributions that may provide it. The fork is the first one.
_DISTRIBUTIONS = {
    'mmderain': ('mmderain',),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
}


def installed_distribution(module: str) -> str | None:
    """Return the name of the installed distribution that provides an import name; None if no distribution does.

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

    mmengine looks up the name of the distribution in a table, which contains only the originals (``mmseg`` ->
    ``mmsegmentation``). This function writes the installed distributions into the table. For a package that can be
    imported but is not installed, for example through ``PYTHONPATH``, it writes the import name.
    """
    for module in _DISTRIBUTIONS:
        _config_utils.MODULE2PACKAGE[module] = installed_distribution(module) or module


def _history_buffer_method(owner: type, name: str) -> Callable:
    """Return a method of HistoryBuffer. This function replaces ``getattr`` when a checkpoint is read."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise ValueError(f'refused to unpickle {owner!r}.{name}: only HistoryBuffer methods are expected')
    return getattr(owner, name)


def allow_resuming() -> None:
    """Allow ``torch.load(weights_only=True)`` to read all objects in a checkpoint of mmengine's Runner.

    A checkpoint contains objects of mmengine's ``HistoryBuffer`` (the smoothed losses) with numpy arrays. By default,
    torch >= 2.6 refuses them, so that mmengine 0.10.7 cannot resume.

    When a checkpoint is read, a ``HistoryBuffer`` looks up its own methods with ``getattr``. This function allows
    ``getattr`` only for the public names of ``HistoryBuffer``.
    """
    import numpy as np

    # numpy 2 renamed numpy.core to numpy._core.
    multiarray = importlib.import_module(
        'numpy._core.multiarray' if np.lib.NumpyVersion(np.__version__) >= '2.0.0' else 'numpy.core.multiarray'
    )
    dtypes = [type(np.dtype(kind)) for kind in ('f8', 'f4', 'i8', 'i4', 'b1', 'u8')]
    globals_ = [HistoryBuffer, np.ndarray, np.dtype, *dtypes]
    globals_.append((_history_buffer_method, 'builtins.getattr'))
    # Checkpoints that were written with numpy 1 name the module `numpy.core`. With numpy 2, they name `numpy._core`.
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        globals_ += [(getattr(multiarray, name), f'{module}.{name}') for name in ('_reconstruct', 'scalar')]
    torch.serialization.add_safe_globals(globals_)


def init_cpu_distributed(launcher: str) -> dict | None:
    """Start a gloo process group on a machine without a GPU.

    mmengine's own code for ``--launcher pytorch`` calls ``torch.cuda.set_device`` and wraps the model with
    ``device_ids``. Neither works without a GPU.

    Args:
        launcher: value of ``--launcher``. Only ``'pytorch'`` is handled here; mmengine handles the others.

    Returns:
        The ``model_wrapper_cfg`` that the Runner needs, or None if mmengine handles the launcher.

    Raises:
        InputError: an environment variable that ``torchrun`` sets is missing.
    """
    if launcher != 'pytorch' or torch.cuda.is_available():
        return None
    if not torch.distributed.is_initialized():
        missing = [key for key in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK') if key not in os.environ]
        if missing:
            raise InputError(
                f'--launcher pytorch: the environment lacks {", ".join(missing)}. '
                'Start the tool with torchrun or tools/dist_train.sh, or leave out --launcher.'
            )
        torch.distributed.init_process_group('gloo')
    return dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)


def end_distributed() -> None:
    """Wait for the other processes of a run, and close the connections to them.

    A process that still has open connections when another one ends can be aborted by the back end gloo. The launcher
    then reports a failure, although the run is complete.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


map_config_scopes()
allow_resuming()
