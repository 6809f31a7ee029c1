"""Hooks that protect every training of the command line tools, whatever its config says."""

from mmengine.config import Config

#: Names of mmengine's hook that saves checkpoints.
CHECKPOINT_HOOKS = ('CheckpointHook', 'mmengine.CheckpointHook')


def protect_training(cfg: Config) -> None:
    """Set the hooks that save checkpoints safely and that stop at a loss that is not finite.

    Configs that inherit from mmdet or mmseg use mmengine's own checkpoint hook, which deletes the previous checkpoint
    before the next one is written.

    Args:
        cfg: config of a training; its ``default_hooks`` are changed. Hooks of other types stay as they are.
    """
    hooks = cfg.setdefault('default_hooks', {})
    checkpoint = hooks.setdefault('checkpoint', dict(type='CheckpointHook'))
    if checkpoint is not None and checkpoint.get('type') in CHECKPOINT_HOOKS:
        checkpoint['type'] = 'mmderain.SafeCheckpointHook'
    hooks.setdefault('non_finite', dict(type='mmderain.StopIfNotFiniteHook'))
