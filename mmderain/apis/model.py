from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmderain.models import Derainer
from mmderain.registry import MODELS

from .checkpoint import load_weights


def init_model(config: str | Path | Config, checkpoint: str | Path | None = None, device: str = 'cpu') -> Derainer:
    """Build a derainer from a config, ready for ``model.restore(batch)``.

    Args:
        config: a config file or a loaded one; its ``model`` is built.
        checkpoint: weights to load; None leaves the initial ones.
        device: ``'cpu'``, ``'cuda:0'`` and so on.

    Returns:
        The model in ``eval()`` mode, with the config as ``model.cfg``.

    Raises:
        FileNotFoundError, ValueError: naming the config or checkpoint and what does not fit.
    """
    if not isinstance(config, Config):
        config = Config.fromfile(config)
    if 'model' not in config:
        raise ValueError(f'{config.filename}: found no `model` in the config')
    # custom_imports have run by now: Config does that when it reads the file.
    init_default_scope(config.get('default_scope', 'mmderain'))
    model = MODELS.build(config.model)
    if checkpoint is None:
        model.init_weights()
    else:
        load_weights(model, checkpoint)
    model.cfg = config
    return model.to(device).eval()
