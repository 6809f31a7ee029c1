"""Reduce the size of a training checkpoint, and restore a complete checkpoint from the small one."""

import io
from pathlib import Path

import torch
from mmengine.utils import apply_to
from torch import Tensor

from mmderain.errors import InputError
from mmderain.io import atomic_write


def compact_checkpoint(checkpoint: dict, max_bytes: int) -> dict:
    """Return a smaller checkpoint from which the training can continue.

    Weights are stored in float16. The optimizer's moments are stored in bfloat16, which has the range of float32.
    Integers and scalars are not converted. A weight tensor is not converted if one of its values is too large for
    float16. The message hub (the history of the log) is left out.

    If the result is still too large, these entries are left out one after the other:

    1. the optimizer's moments;
    2. the weights of the last step, if the checkpoint also contains averaged weights (EMA).

    All other weights, the step, the learning rate and the state of the schedulers are always kept.

    Args:
        checkpoint: a checkpoint of mmengine's runner, on any device. It is not changed.
        max_bytes: largest allowed size of the file that ``torch.save`` writes for the result.

    Returns:
        The smaller checkpoint. :func:`restore_checkpoint` converts it to a checkpoint that mmengine can load. If it is
        saved to a file, ``torch.load`` can read the file with ``weights_only=True``.

    Raises:
        InputError: the entries that are always kept take more than ``max_bytes``.
    """
    compact = {key: value for key, value in checkpoint.items() if key != 'message_hub'}
    compact['compact'] = True
    for name in ('state_dict', 'ema_state_dict'):
        if name in compact:
            compact[name] = apply_to(compact[name], _is_float32_array, _to_float16)
    if 'optimizer' in compact:
        compact['optimizer'] = apply_to(compact['optimizer'], _is_float32_array, lambda x: x.bfloat16())
    compact = apply_to(compact, torch.is_tensor, lambda x: x.cpu())
    if _size(compact) > max_bytes and 'optimizer' in compact:
        # The parameter groups are kept, because mmengine's schedulers compute each learning rate from the previous one.
        compact['optimizer'] = dict(compact['optimizer'], state={})
    if _size(compact) > max_bytes and 'ema_state_dict' in compact:
        own = {key: value for key, value in compact['ema_state_dict'].items() if not key.startswith('module.')}
        compact['ema_state_dict'] = own  # only the number of averaged steps is left
    if _size(compact) > max_bytes:
        raise InputError(
            f'the smallest possible checkpoint has {_size(compact)} bytes; expected at most {max_bytes}. Use a larger '
            'max_bytes.'
        )
    return compact


def restore_checkpoint(compact: dict) -> dict:
    """Return a checkpoint that mmengine's ``Runner.resume`` can load.

    Args:
        compact: a result of ``compact_checkpoint``. It is not changed.

    Returns:
        The checkpoint in float32. If ``compact`` lacks the weights of the last step, the averaged weights replace them.
        If ``compact`` lacks the optimizer's moments, the optimizer starts with moments of zero.

    Raises:
        InputError: ``compact`` is not a result of ``compact_checkpoint``.
    """
    if not compact.get('compact'):
        raise InputError('not a compact checkpoint; expected a result of compact_checkpoint')
    checkpoint = {key: value for key, value in compact.items() if key != 'compact'}
    checkpoint = apply_to(checkpoint, _is_low_precision, lambda x: x.float())
    if 'ema_state_dict' in checkpoint:
        for key, value in checkpoint['state_dict'].items():
            checkpoint['ema_state_dict'].setdefault(f'module.{key}', value.clone())
    # Resuming requires these entries. The list `keep_ckpt_ids` makes the checkpoint hook delete this checkpoint when
    # newer checkpoints replace it.
    kept = dict(keep_ckpt_ids=[checkpoint['meta']['iter']])
    checkpoint['message_hub'] = dict(log_scalars={}, runtime_info=kept, resumed_keys=dict(keep_ckpt_ids=True))
    return checkpoint


def write_restored(compact: dict, work_dir: Path) -> Path:
    """Restore a compact checkpoint, and write it into a work directory as the latest checkpoint.

    Args:
        compact: a result of ``compact_checkpoint``.
        work_dir: work directory of the training that continues from the checkpoint.

    Returns:
        Path of the checkpoint, ``iter_<step>.pth`` in the work directory.
    """
    path = work_dir / f'iter_{compact["meta"]["iter"]}.pth'
    with atomic_write(path) as part:
        torch.save(restore_checkpoint(compact), part)
    with atomic_write(work_dir / 'last_checkpoint') as part:
        part.write_text(str(path))
    return path


def _is_float32_array(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float32 and value.ndim > 0


def _is_low_precision(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)


def _to_float16(value: Tensor) -> Tensor:
    half = value.half()
    return half if half.isfinite().all() else value


def _size(checkpoint: dict) -> int:
    """Return the size in bytes of the file that ``torch.save`` writes."""
    file = io.BytesIO()
    torch.save(checkpoint, file)
    return file.tell()
