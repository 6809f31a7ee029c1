"""Hooks that the command line tools add to the config of every training, to protect its checkpoints."""

from mmengine.config import Config
from mmengine.hooks import CheckpointHook

#: Values of ``type`` that choose mmengine's checkpoint hook in a config: two names, and the class itself.
CHECKPOINT_HOOKS = ('CheckpointHook', 'mmengine.CheckpointHook', CheckpointHook)


def protect_training(cfg: Config) -> None:
    """Make a config use ``SafeCheckpointHook`` and ``StopIfNotFiniteHook``.

    Configs that inherit from mmdet or mmseg use mmengine's own checkpoint hook, which deletes the oldest checkpoint
    before it writes the next one.

    Args:
        cfg: config of a training. Its ``default_hooks`` are changed. A checkpoint hook of another type and an existing
            entry ``non_finite`` are kept.
    """
    cfg.default_hooks = cfg.get('default_hooks') or {}
    hooks = cfg.default_hooks
    hooks.setdefault('checkpoint', dict(type='CheckpointHook'))
    if hooks.checkpoint is not None and hooks.checkpoint.get('type') in CHECKPOINT_HOOKS:
        hooks.checkpoint.type = 'mmderain.SafeCheckpointHook'
    hooks.setdefault('non_finite', dict(type='mmderain.StopIfNotFiniteHook'))
