"""The only place that knows how OpenMMLab's releases and forks differ.

Two sets of distributions install the same import names (mmengine, mmcv, mmdet, mmseg): the maintained
``onedl-*`` forks and the originals. Importing this module checks that one of them is there and mends, for
both, what stands between a user and ``_base_ = 'mmseg::...'``, resuming under torch >= 2.6 and training on
several CPU processes.
"""

import os
from importlib import metadata, util

_STACKS_HINT = (
    'Install one OpenMMLab stack: `pip install mmderain[onedl]` (maintained forks) or '
    '`pip install mmderain[openmmlab]` (originals); mmcv needs `--no-build-isolation` when its '
    'operators are wanted.'
)

for _name in ('mmengine', 'mmcv'):
    if util.find_spec(_name) is None:
        raise ImportError(f'mmderain needs {_name}, which is not installed. {_STACKS_HINT}')

import torch  # noqa: E402
from mmengine.config import utils as _config_utils  # noqa: E402
from mmengine.logging.history_buffer import HistoryBuffer  # noqa: E402

from .errors import InputError  # noqa: E402

# Import name -> names of the distributions that may provide it, the fork first.
_DISTRIBUTIONS = {
    'mmderain': ('mmderain',),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
}


def installed_distribution(module: str) -> str | None:
    """Name of the installed distribution that provides an import name, None if there is none.

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
    """Let ``_base_ = '<module>::...'`` find the package under the name it was installed by.

    mmengine's own table knows the originals' names only (``mmseg`` -> ``mmsegmentation``). A package that is
    importable but not installed as a distribution (``PYTHONPATH``) is found by its import name.
    """
    for module in _DISTRIBUTIONS:
        _config_utils.MODULE2PACKAGE[module] = installed_distribution(module) or module


def _history_buffer_method(owner: type, name: str):
    if owner is not HistoryBuffer or name.startswith('_'):
        raise ValueError(f'refused to unpickle {owner!r}.{name}: only HistoryBuffer methods are expected')
    return getattr(owner, name)


def allow_resuming() -> None:
    """Let ``torch.load(weights_only=True)`` read what a Runner checkpoint holds beside tensors.

    torch >= 2.6 refuses mmengine's ``HistoryBuffer`` (the smoothed losses) and the numpy arrays in it;
    mmengine 0.10.7 cannot resume without this. A ``HistoryBuffer`` refers to its own methods through
    ``getattr``, which is admitted for exactly that and nothing else.
    """
    import numpy as np

    try:
        from numpy._core.multiarray import _reconstruct, scalar
    except ImportError:  # numpy < 2
        from numpy.core.multiarray import _reconstruct, scalar
    dtypes = [type(np.dtype(kind)) for kind in ('f8', 'f4', 'i8', 'i4', 'b1', 'u8')]
    globals_ = [HistoryBuffer, np.ndarray, np.dtype, *dtypes]
    globals_.append((_history_buffer_method, 'builtins.getattr'))
    # A checkpoint written beside numpy 1 names the module `numpy.core`, one beside numpy 2 `numpy._core`.
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        globals_ += [(_reconstruct, f'{module}._reconstruct'), (scalar, f'{module}.scalar')]
    torch.serialization.add_safe_globals(globals_)


def init_cpu_distributed(launcher: str) -> dict | None:
    """Start a gloo process group where mmengine would insist on CUDA.

    mmengine's launcher calls ``torch.cuda.set_device`` and wraps the model with ``device_ids``; neither works
    on a machine without a GPU.

    Args:
        launcher: the ``--launcher`` of the tool; only ``'pytorch'`` is handled, others are mmengine's business.

    Returns:
        The ``model_wrapper_cfg`` that the Runner then needs, or None if mmengine's own way works.
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


map_config_scopes()
allow_resuming()
