"""Hooks that protect every training of the command line tools, whatever its config says."""

from mmengine.config import Config
from mmengine.hooks import CheckpointHook

#: mmengine's hook that saves checkpoints, as configs of both styles name it.
CHECKPOINT_HOOKS = ('CheckpointHook', 'mmengine.CheckpointHook', CheckpointHook)


def protect_training(cfg: Config) -> None:
    """Set the hooks that save checkpoints safely and that stop at a loss that is not finite.

    Configs that inherit from mmdet or mmseg use mmengine's own checkpoint hook, which deletes the previous checkpoint
    before the next one is written.

    Args:
        cfg: config of a training; its ``default_hooks`` are changed. Hooks of other types stay as they are.
    """
    cfg.default_hooks = cfg.get('default_hooks') or {}
    hooks = cfg.default_hooks
    hooks.setdefault('checkpoint', dict(type='CheckpointHook'))
    if hooks.checkpoint is not None and hooks.checkpoint.get('type') in CHECKPOINT_HOOKS:
        hooks.checkpoint.type = 'mmderain.SafeCheckpointHook'
    hooks.setdefault('non_finite', dict(type='mmderain.StopIfNotFiniteHook'))
