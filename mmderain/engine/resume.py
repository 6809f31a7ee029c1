"""Find the checkpoint from which an interrupted training continues, and check that it fits the model."""

import re
from pathlib import Path

from mmengine.config import Config
from mmengine.model import is_model_wrapper
from torch import nn

from mmderain.errors import InputError
from mmderain.io import read_checkpoint
from mmderain.io.checkpoint import require_weights
from mmderain.models import Derainer
from mmderain.models.weights import misfits, rename_old_keys

#: Expression for the file names of the checkpoints that mmengine writes. Its group is the number of the step or epoch.
CHECKPOINT_NAME = re.compile(r'(?:iter|epoch)_(\d+)\.pth')


def require_training_state(checkpoint: object, path: str | Path, needs_schedule: bool = False) -> dict:
    """Return the content of a checkpoint, after checking that a training can continue from it.

    Args:
        checkpoint: content of the checkpoint file.
        path: path of the file for the error message.
        needs_schedule: whether the training continues with the schedule of the checkpoint.

    Raises:
        InputError: the file does not contain the number of steps, the optimizer, or the needed schedule of a training.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if (
        not isinstance(checkpoint, dict)
        or not isinstance(meta, dict)
        or not all(isinstance(meta.get(key), int) for key in ('iter', 'epoch'))
    ):
        raise InputError(
            f'{path}: found no integers meta.iter and meta.epoch; expected a checkpoint of a training. To start a '
            'new training from weights, use --cfg-options load_from=FILE without --resume.'
        )
    wanted = ('optimizer', 'param_schedulers') if needs_schedule else ('optimizer',)
    missing = [key for key in wanted if key not in checkpoint]
    if 'optimizer' in missing:
        raise InputError(
            f'{path}: found no {", ".join(missing)}; this checkpoint contains only weights, as the files best_*.pth '
            'do. Resume from an iter_*.pth or epoch_*.pth file. To start a new training from these weights, use '
            '--cfg-options load_from=FILE without --resume.'
        )
    if missing:
        raise InputError(
            f'{path}: found no param_schedulers, but the config has a param_scheduler. Resume from a checkpoint that '
            'contains the schedule, or add --resume-with-config, which uses the schedule of the config.'
        )
    return checkpoint


def completed(cfg: Config, checkpoint: dict) -> str | None:
    """Return a text that says where the training ended, or None if steps are left.

    Args:
        cfg: config of the training.
        checkpoint: content of the checkpoint.
    """
    for key, unit in (('max_epochs', 'epoch'), ('max_iters', 'iter')):
        last = cfg.get('train_cfg', {}).get(key)
        if last is not None and checkpoint['meta'][unit] >= last:
            name = 'epoch' if unit == 'epoch' else 'step'
            return f'was saved after {name} {checkpoint["meta"][unit]} of {last}'
    return None


def has_seed(cfg: Config) -> bool:
    """Return whether a config sets the seed of the training."""
    return (cfg.get('randomness') or {}).get('seed') is not None


def use_seed(cfg: Config, checkpoint: dict) -> None:
    """Set the seed of a resumed training to the seed in the checkpoint.

    If a config sets no seed, mmengine draws a random seed, and builds the sampler with it. mmengine restores the seed
    of the checkpoint only later. The order of the data would then differ from the order in a training without
    interruption.

    Args:
        cfg: config of the training, which this function changes.
        checkpoint: content of the checkpoint.
    """
    if isinstance(seed := checkpoint['meta'].get('seed'), int):
        cfg.randomness = {**(cfg.get('randomness') or {}), 'seed': seed}


def require_same_model(model: nn.Module, checkpoint: dict, path: str | Path) -> None:
    """Check that the weights of a checkpoint fit the model whose training continues.

    mmengine would load only the weights that fit, and train the other weights from their initial values.

    Args:
        model: the model, or its wrapper in a distributed training.
        checkpoint: content of the checkpoint.
        path: path of the checkpoint for the error message.

    Raises:
        InputError: the checkpoint lacks a weight of the model, contains a weight that the model does not have, or
            contains a weight of another shape.
    """
    inner: nn.Module = model.module if is_model_wrapper(model) else model  # type: ignore[assignment]  # never a tensor
    weights = rename_old_keys(inner, require_weights(checkpoint, path))
    if problems := misfits(inner, weights):
        network = inner.network if isinstance(inner, Derainer) else inner
        raise InputError(
            f'{path}: the weights do not fit the {type(network).__name__} of the config ({"; ".join(problems)}). '
            'Resume with the config of the training that saved this checkpoint. The work directory of that training '
            'contains the config.'
        )


def latest_checkpoint(work_dir: str | Path) -> Path | None:
    """Return the latest readable checkpoint of a work directory.

    The first choice is the checkpoint that the file ``last_checkpoint`` names. Only the file name counts, not the
    folder, because the work directory may have been copied or moved.

    If ``last_checkpoint`` does not name an existing checkpoint, or if this checkpoint cannot be read, the other
    checkpoints are tried. The one of the last step or epoch is tried first. A message then says which checkpoint is
    used.

    Args:
        work_dir: work directory of a training.

    Returns:
        Path of the checkpoint, or None if the directory contains no checkpoint.

    Raises:
        InputError: the directory contains checkpoints, but none of them can be read.
    """
    folder = Path(work_dir)
    steps = {path: int(found[1]) for path in folder.glob('*.pth') if (found := CHECKPOINT_NAME.fullmatch(path.name))}
    candidates = sorted(steps, key=steps.__getitem__, reverse=True)
    record = folder / 'last_checkpoint'
    name = Path(record.read_text(encoding='utf-8', errors='replace').strip()).name if record.is_file() else ''
    recorded = folder / name
    if name and recorded.is_file():
        candidates = [recorded, *(path for path in candidates if path != recorded)]
    problems = []
    if not record.is_file():
        problems = [f'{record} does not exist']
    elif not name or not recorded.is_file():
        problems = [f'{record} names no checkpoint of this folder']
    for path in candidates:
        try:
            read_checkpoint(path)
        except (OSError, InputError) as error:  # OSError: for example a link to a missing file
            problems.append(str(error))
            continue
        if problems:
            print(f'{"; ".join(problems)}. The training continues from {path}.', flush=True)
        return path
    if candidates:
        raise InputError(
            f'{work_dir}: no checkpoint can be read: {"; ".join(problems)}. Copy a readable checkpoint to this folder, '
            'or start a new training in another folder.'
        )
    return None
