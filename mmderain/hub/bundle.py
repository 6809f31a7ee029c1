"""Add the weights of a trained network to the bundled models."""

import json
from pathlib import Path

from mmengine.config import Config

from mmderain.errors import InputError
from mmderain.io.checkpoint import read_checkpoint, save_weights
from mmderain.io.files import atomic_write, file_sha256
from mmderain.registry import MODELS


def bundle_weights(name: str, config: str, checkpoint: Path, about: str, configs: Path, weights: Path) -> Path:
    """Write the weights of a run in half precision, and their entry in the index of bundled models.

    Args:
        name: name of the model.
        config: its config, relative to ``configs``.
        checkpoint: checkpoint of mmengine's runner; with an EMA its ``state_dict`` holds the averaged weights.
        about: a one-line description.
        configs: folder of the configs.
        weights: folder of the bundled weights, with ``index.json``.

    Returns:
        The written file of weights.

    Raises:
        FileNotFoundError, InputError: a file is missing, the weights do not fit the network, or float16 cannot hold
            one of them. Nothing is written then.
    """
    index, path = weights / 'index.json', weights / f'{name}.pth'
    content = read_checkpoint(checkpoint)
    halves = _half_precision_weights(content, configs / config)
    save_weights(path, halves, dict(config=config, steps=content['meta']['iter']))
    entries = json.loads(index.read_text(encoding='utf-8'))
    entries[name] = dict(kind='derainer', config=config, file=path.name, sha256=file_sha256(path), about=about)
    with atomic_write(index) as part:
        part.write_text(json.dumps(entries, indent=2) + '\n', encoding='utf-8')
    return path


def _half_precision_weights(checkpoint: dict, config: Path) -> dict:
    """Return the weights of a checkpoint's network in float16, checked against the network of the config."""
    weights = {key: value for key, value in checkpoint['state_dict'].items() if key.startswith('network.')}
    weights = {key: value.half() if value.is_floating_point() else value for key, value in weights.items()}
    too_large = [key for key, value in weights.items() if not value.isfinite().all()]
    if too_large:
        raise InputError(f'{too_large[0]}: float16 cannot hold its values')
    try:
        MODELS.build(Config.fromfile(config).model).load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f'{config}: the weights do not fit the network ({error})') from None
    return weights
