"""Hooks that protect every training of the command line tools, whatever its config says."""

from mmengine.config import Config
from mmengine.hooks import CheckpointHook

#: Values of ``type`` by which a config can choose mmengine's hook that saves checkpoints: names, or the class itself.
CHECKPOINT_HOOKS = ('CheckpointHook', 'mmengine.CheckpointHook', CheckpointHook)


def protect_training(cfg: Config) -> None:
    """Add ``SafeCheckpointHook`` and ``StopIfNotFiniteHook`` to the hooks of a config.

    Configs that inherit from mmdet or mmseg use mmengine's own checkpoint hook, which deletes the previous checkpoint
    before it writes the next one.

    Args:
        cfg: config of a training. Its ``default_hooks`` are changed, except a checkpoint hook of another type and an
            existing entry ``non_finite``.
    """
    cfg.default_hooks = cfg.get('default_hooks') or {}
    hooks = cfg.default_hooks
    hooks.setdefault('checkpoint', dict(type='CheckpointHook'))
    if hooks.checkpoint is not None and hooks.checkpoint.get('type') in CHECKPOINT_HOOKS:
        hooks.checkpoint.type = 'mmderain.SafeCheckpointHook'
    hooks.setdefault('non_finite', dict(type='mmderain.StopIfNotFiniteHook'))
