"""Read and write checkpoint files that contain only tensors and plain values, such as numbers, texts and lists."""

import re
from pathlib import Path

import numpy as np
import torch
from mmengine.runner.checkpoint import (
    CheckpointLoader,
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)
from torch import Tensor

from mmderain.compat import allow_resuming
from mmderain.errors import InputError

from .cache import reject_download
from .download import cached_file, local_file
from .files import atomic_write

#: Prefixes of checkpoint names such as ``open-mmlab://resnet50_v1c``. mmengine knows the URLs of these checkpoints.
NAMED = ('torchvision://', 'modelzoo://', 'open-mmlab://', 'openmmlab://', 'mmcls://')
#: All prefixes for which mmengine has a loader, as regular expressions. '' is the prefix of local files.
PREFIXES = ('', 'http://', 'https://', *NAMED, 'pavi://', r'(\S+\:)?s3://', r'(\S+\:)?petrel://')

#: Parts of a key that wrappers of a model add. DataParallel and DistributedDataParallel add ``module.`` at the start,
#: possibly several times. torch.compile adds ``_orig_mod.`` at any place.
WRAPPERS = re.compile(r'^(?:module\.|_orig_mod\.)+|(?<=\.)(?:_orig_mod\.)+')


def read_checkpoint(source: str | Path) -> object:
    """Read a checkpoint into CPU memory. Code in the file is never run.

    Args:
        source: the path of a file that ``torch.save`` has written, the path of a ``.safetensors`` file, the address of
            such a file (see :func:`~mmderain.io.download.cached_file`), or a name that mmengine knows, such as
            ``'open-mmlab://resnet50_v1c'``. Downloaded files are kept in the cache folder.

    Returns:
        The content of the file. The entry ``state_dict`` is converted by :func:`plain_weights`. The content of a
        ``.safetensors`` file is returned as ``dict(state_dict=...)``. For a name that begins with ``mmcls://``, the
        result is ``dict(state_dict=...)`` with only the backbone weights.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is not a checkpoint, is damaged, or contains objects other than tensors and plain values.
            Also raised if mmengine does not know the name, or if the file cannot be downloaded.
    """
    name = str(source)
    if name.startswith(NAMED):
        return _read_named(name)
    return _read_file(local_file(source))


def plain_weights(weights: dict) -> dict:
    """Return a state dict with the keys of the model itself, and with tensors in place of numpy arrays.

    Args:
        weights: a state dict. Wrappers such as DataParallel may have added parts to its keys, see :data:`WRAPPERS`. If
            two keys would become equal, no key is changed. ``weights`` itself is not changed.
    """
    keys = {key: WRAPPERS.sub('', key) if isinstance(key, str) else key for key in weights}
    if len(set(keys.values())) < len(keys):  # two entries would get the same key
        keys = {key: key for key in weights}
    return {
        keys[key]: torch.as_tensor(value) if isinstance(value, np.ndarray | np.generic) else value
        for key, value in weights.items()
    }


def require_weights(content: object, source: str | Path) -> dict[str, Tensor]:
    """Return the state dict in the content of a checkpoint.

    Args:
        content: result of :func:`read_checkpoint`: a dict with the entry ``state_dict``, or the state dict itself.
        source: name of the checkpoint for the error message.

    Raises:
        InputError: the content is not a dict, or an entry of the state dict is not a dense tensor of real numbers.
    """
    weights = content.get('state_dict', content) if isinstance(content, dict) else content
    if not isinstance(weights, dict):
        raise InputError(
            f'{source}: found a {type(weights).__name__}; expected a checkpoint, which is a dict with the entry '
            '`state_dict`, or a dict of tensors'
        )
    weights = plain_weights(weights)
    for key, value in weights.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise InputError(
                f'{source}: the entry {key!r} of the state dict is a {type(value).__name__}; expected a tensor with a '
                'text as its key'
            )
        if value.layout != torch.strided or value.is_complex() or value.is_quantized:
            kind = f'a tensor of {value.dtype} with the layout {value.layout}'
            raise InputError(f'{source}: the entry {key!r} of the state dict is {kind}; expected dense real numbers')
    return weights


def use_safe_loading() -> None:
    """Make mmengine read all checkpoints in this process with :func:`read_checkpoint`.

    mmengine, mmdet and mmseg read checkpoints for ``load_from``, for ``resume`` and for
    ``init_cfg=dict(type='Pretrained')``. Their own loaders can run code in pickled files. The commands and tools of
    mmderain call this function when they start. A program that builds a ``Runner`` can call this function too.
    Importing mmderain does not change the loaders of mmengine.
    """

    def load_checkpoint(filename: str, map_location: object = None) -> object:
        """Read a checkpoint into CPU memory; mmengine copies the tensors to the device of the model later."""
        return read_checkpoint(filename)

    CheckpointLoader.register_scheme(PREFIXES, load_checkpoint, force=True)


def _read_file(path: Path) -> object:
    """Read a local checkpoint file; see :func:`read_checkpoint`."""
    if not path.is_file():
        found = 'is a folder; expected a checkpoint file' if path.is_dir() else 'no such checkpoint file'
        raise FileNotFoundError(f'{path}: {found}')
    if path.suffix.lower() == '.safetensors':
        return dict(state_dict=plain_weights(_read_safetensors(path)))
    # This call adds the types in a checkpoint of mmengine's runner to the list of types that torch.load may read.
    # Importing mmderain has already added them. But the checkpoint loader of onedl-mmengine removes some of them again.
    allow_resuming()
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    # If the file is not a checkpoint, torch can raise any type of exception, depending on the first bytes of the file.
    except Exception as error:
        refused = re.search(r'GLOBAL ([\w.]+)', str(error))
        reason = f'it refers to the Python object {refused[1]}' if refused else type(error).__name__
        raise _unreadable(
            path,
            f'({reason}). Expected a file that was written by torch.save and contains only tensors and plain values. '
            'This file is damaged, is not a checkpoint, or contains pickled objects, which mmderain refuses to load.',
        ) from error
    if isinstance(content, dict) and isinstance(content.get('state_dict'), dict):
        content['state_dict'] = plain_weights(content['state_dict'])
    return content


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a ``.safetensors`` file.

    Raises:
        InputError: the file is damaged, or safetensors is not installed.
    """
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise InputError(f'{path}: this file needs the package safetensors; run `pip install safetensors`') from None
    try:
        return load_file(path)
    except Exception as error:  # some versions of safetensors do not export the type of their exception
        raise _unreadable(path, f'({error}); the file is damaged.') from error


def _unreadable(path: Path, reason: str) -> InputError:
    """Return the error for a file that cannot be read as weights. If it was downloaded, delete it from the cache."""
    text = f'{path}: cannot be read as weights {reason}'
    url = reject_download(path)
    if url is not None:
        deleted = '' if path.exists() else ', and has been deleted'
        text += f' It was downloaded from {url}{deleted}. Check this address, or name another checkpoint.'
    return InputError(text)


def safetensors_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a ``.safetensors`` file, or an empty dict if the file is damaged or has none."""
    from safetensors import safe_open

    try:
        with safe_open(path, 'pt') as file:
            return file.metadata() or {}
    except Exception:  # some versions of safetensors do not export the type of their exception
        return {}


def write_safetensors(path: Path, state_dict: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write weights as a ``.safetensors`` file, completely or not at all.

    Args:
        path: final path; its folder is created if it is missing.
        state_dict: maps names to tensors.
        metadata: texts that describe the origin of the weights.
    """
    from safetensors.torch import save

    with atomic_write(path) as part:
        # save_file() would report a full disk by an exception that is not an OSError.
        part.write_bytes(save({name: value.contiguous() for name, value in state_dict.items()}, metadata))


def _read_named(name: str) -> object:
    """Read a checkpoint whose name mmengine knows, such as ``'open-mmlab://resnet50_v1c'``.

    Raises:
        InputError: mmengine does not know the name.
    """
    prefix, _, key = name.partition('://')
    if prefix in ('torchvision', 'modelzoo'):
        addresses = get_torchvision_models()
    elif prefix == 'mmcls':
        addresses = get_mmcls_models()
    else:
        addresses = get_external_models()
        key = get_deprecated_model_names().get(key, key)
    if key not in addresses:
        raise InputError(f'{name}: mmengine knows no checkpoint of this name')
    # mmengine publishes these addresses, so a file without a hash in its name is also accepted.
    content = _read_file(cached_file(addresses[key], trust_unhashed=True))
    if prefix == 'mmcls' and isinstance(content, dict):  # detectors and segmentors use only the classifier's backbone
        weights = content.get('state_dict', content)
        return dict(
            state_dict={
                key.removeprefix('backbone.'): value for key, value in weights.items() if key.startswith('backbone.')
            }
        )
    return content


def save_weights(path: str | Path, state_dict: dict[str, Tensor], meta: dict) -> None:
    """Write a checkpoint that contains only weights and plain values, completely or not at all.

    Args:
        path: final path. The folder is created if it does not exist.
        state_dict: state dict of a ``Derainer``. The keys begin with ``network.``.
        meta: plain values that describe the origin of the weights.
    """
    with atomic_write(path) as part:
        torch.save(dict(meta=meta, state_dict=state_dict), part)
