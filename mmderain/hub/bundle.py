"""Add the weights of a trained network to the bundled models."""

import json
from pathlib import Path

from torch import Tensor

from mmderain.errors import InputError
from mmderain.io.checkpoint import read_checkpoint, save_weights
from mmderain.io.config import config_errors, read_config
from mmderain.io.files import atomic_write, file_sha256
from mmderain.registry import MODELS


def bundle_weights(name: str, config: str, checkpoint: str | Path, about: str, configs: Path, weights: Path) -> Path:
    """Write the weights of a training run in half precision, and add them to the index of bundled models.

    Args:
        name: name of the bundled model. The weights are written to ``<name>.pth``.
        config: path of the config of the model, relative to ``configs``.
        checkpoint: checkpoint that mmengine's runner has written. If the training averaged the weights (EMA), the
            ``state_dict`` of the checkpoint contains the averaged weights.
        about: a one-line description of the model.
        configs: folder of the configs.
        weights: folder of the bundled weights. It contains the index of the bundled models, ``index.json``.

    Returns:
        The path of the written weights file.

    Raises:
        FileNotFoundError: the index, the config or the checkpoint does not exist. In this case, the function writes
            no file.
        InputError: one of these files is damaged, the weights do not fit the network, or a weight is NaN, infinite or
            too large for float16. In this case, the function writes no file.
    """
    index, path = weights / 'index.json', weights / f'{name}.pth'
    entries = _read_index(index)  # first, because nothing must be written if the index is damaged
    state_dict, steps = _read_run(checkpoint)
    halves = _half_precision_weights(state_dict, configs / config)
    save_weights(path, halves, dict(config=config, steps=steps))
    entries[name] = dict(kind='derainer', config=config, file=path.name, sha256=file_sha256(path), about=about)
    with atomic_write(index) as part:
        part.write_text(json.dumps(entries, indent=2) + '\n', encoding='utf-8')
    return path


def _read_index(path: Path) -> dict[str, dict]:
    """Return the entries of an index of bundled models, keyed by name."""
    try:
        entries = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise InputError(f'{path}: cannot be read as JSON ({error}); restore it from the repository') from None
    if not isinstance(entries, dict):
        raise InputError(
            f'{path}: found a {type(entries).__name__}, expected a JSON object with an entry for each bundled model; '
            'restore it from the repository'
        )
    return entries


def _read_run(path: str | Path) -> tuple[dict[str, Tensor], int]:
    """Return the weights in a checkpoint of mmengine's runner, and the number of steps of the training."""
    content = read_checkpoint(path)
    content = content if isinstance(content, dict) else {}
    state_dict, meta = content.get('state_dict'), content.get('meta')
    if not isinstance(state_dict, dict):
        raise InputError(f'{path}: found no `state_dict`; expected a checkpoint of a training run')
    if not isinstance(meta, dict) or not isinstance(meta.get('iter'), int):
        raise InputError(f"{path}: found no number of steps in `meta['iter']`; expected a checkpoint of a training run")
    return state_dict, meta['iter']


def _half_precision_weights(state_dict: dict[str, Tensor], config: Path) -> dict[str, Tensor]:
    """Convert the weights of a network to float16, and check that they fit the network of the config.

    Keys from older versions of mmderain are renamed. Integer tensors keep their dtype. Entries of the state dict that
    are not weights of the network are left out.
    """
    cfg = read_config(config)
    with config_errors(config):
        model = MODELS.build(cfg.model)
    weights = {key: value for key, value in model.rename_keys(state_dict).items() if key.startswith('network.')}
    weights = {key: value.half() if value.is_floating_point() else value for key, value in weights.items()}
    too_large = [key for key, value in weights.items() if not value.isfinite().all()]
    if too_large:
        raise InputError(
            f'{too_large[0]}: a value is NaN, infinite or too large for float16; bundle an earlier checkpoint'
        )
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        text = f'the weights do not fit the network ({error}); name the config of the training'
        raise InputError(f'{config}: {text}') from None
    return weights
