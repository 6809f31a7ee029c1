"""The hook that saves checkpoints."""

import zipfile
from pathlib import Path

from mmengine.dist import get_world_size, is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from mmderain.io import atomic_write
from mmderain.registry import HOOKS


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """Save checkpoints so that the previous checkpoint is not lost if the process is killed or the disk is full.

    mmengine's ``CheckpointHook`` first deletes the oldest checkpoint, and then writes directly to the final file. This
    hook works in these steps:

    1. Write a temporary file, verify its checksums, and rename it.
    2. Write the path of the checkpoint to the file ``last_checkpoint``, also through a temporary file.
    3. Delete the oldest checkpoints if there are more than ``max_keep_ckpts``.

    With ``save_best``, the hook deletes the previous best checkpoint after it has written the new one. A best
    checkpoint contains only weights, so no training can continue from it.

    With ``accumulative_counts``, the optimizer wrapper accumulates gradients over several steps. A checkpoint does not
    contain accumulated gradients. Therefore a checkpoint is saved only after a step that has updated the weights. In
    other steps, the checkpoint is postponed to the next update. With ``by_epoch=True``, it is postponed to the next
    epoch that ends with an update. The last step of a training always updates the weights.

    The arguments are those of ``CheckpointHook``. For storage other than local files, this hook saves checkpoints as
    ``CheckpointHook`` does.
    """

    #: Whether a checkpoint is due, but the gradients of its step have not been used yet.
    is_postponed = False

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Save a checkpoint if it is due after this step, or if it was postponed to this step."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if self.is_postponed and not self.by_epoch:
            self._save_postponed(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Save a checkpoint if it is due after this epoch, or if it was postponed to this epoch."""
        super().after_train_epoch(runner)
        if self.is_postponed and self.by_epoch:
            self._save_postponed(runner)

    def save_now(self, runner: Runner) -> None:
        """Save a checkpoint of the current step, unless this step has been saved already.

        The step must have updated the weights, see :func:`weights_are_updated`.
        """
        if self.last_ckpt != str(Path(self.out_dir) / self.filename_tmpl.format(runner.iter + 1)):
            self._save_checkpoint(runner)

    def _save_postponed(self, runner: Runner) -> None:
        """Save the postponed checkpoint if this step has updated the weights."""
        if weights_are_updated(runner):
            self._save_checkpoint(runner)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        was_postponed, self.is_postponed = self.is_postponed, not weights_are_updated(runner)
        if self.is_postponed:
            if not was_postponed:
                wait = 'the end of an epoch' if self.by_epoch else 'the next step'
                text = f'the checkpoint is postponed to {wait} with an update, because gradients are accumulated'
                print_log(text, 'current')
            return
        if not isinstance(self.file_backend, LocalBackend):
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        expired = self._record_step(runner, step)
        path = Path(self.out_dir) / self.filename_tmpl.format(step)
        self.last_ckpt = str(path)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        if not is_main_process():
            self._save(runner, path, meta)  # with sharded models, every process must take part in saving
            return
        with atomic_write(path) as part:
            self._save(runner, part, meta)
            verify_checkpoint(part)
        with atomic_write(Path(runner.work_dir) / 'last_checkpoint') as part:
            part.write_text(self.last_ckpt)
        for old in expired:
            (Path(self.out_dir) / self.filename_tmpl.format(old)).unlink(missing_ok=True)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        # Before mmengine writes a new best checkpoint, it deletes the files that the attributes `best_ckpt_path` and
        # `best_ckpt_path_dict` name. Therefore this method sets them to None before it calls mmengine's method.
        single, several = getattr(self, 'best_ckpt_path', None), dict(getattr(self, 'best_ckpt_path_dict', {}))
        self.best_ckpt_path: str | None = None
        for key in several:
            self.best_ckpt_path_dict[key] = None
        super()._save_best_checkpoint(runner, metrics)
        self.best_ckpt_path = self._replace_best(single, self.best_ckpt_path)
        for key, old in several.items():
            self.best_ckpt_path_dict[key] = self._replace_best(old, self.best_ckpt_path_dict[key])

    def _replace_best(self, old: str | None, new: str | None) -> str | None:
        """Return the path of the best checkpoint. If there is a new one, verify it and delete the old one."""
        if new is None:
            return old
        if is_main_process():
            if isinstance(self.file_backend, LocalBackend) and Path(new).is_file():
                try:
                    verify_checkpoint(Path(new))
                except OSError:
                    Path(new).unlink()
                    raise
            if old is not None and old != new and self.file_backend.isfile(old):
                self.file_backend.remove(old)
        return new

    def _record_step(self, runner: Runner, step: int) -> list[int]:
        """Add a step to the list of kept checkpoints, and return the steps whose checkpoints must be deleted."""
        if self.max_keep_ckpts <= 0 or (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
            return []
        expired = list(self.keep_ckpt_ids)[: len(self.keep_ckpt_ids) + 1 - self.max_keep_ckpts]
        self.keep_ckpt_ids.append(step)  # a deque of at most max_keep_ckpts steps, which drops the expired ones
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return expired

    def _save(self, runner: Runner, path: Path, meta: dict) -> None:
        runner.save_checkpoint(
            str(path.parent),
            path.name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta={**meta, 'world_size': get_world_size()},  # --resume compares this number
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )


def weights_are_updated(runner: Runner) -> bool:
    """Return whether the last step has updated the weights.

    The result is False only if gradients are accumulated over several steps, and some of these steps are still to come.
    """
    wrapper = runner.optim_wrapper
    wrappers = list(wrapper.values()) if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    return all(one.should_update() for one in wrappers if isinstance(one, OptimWrapper))


def verify_checkpoint(path: Path) -> None:
    """Verify the checksums in a checkpoint file, to check that it was written completely.

    Raises:
        OSError: the file is incomplete, or an entry of the file does not match its checksum.
    """
    try:
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
    except zipfile.BadZipFile as error:
        raise OSError(f'{path}: was not written completely ({error}); the previous checkpoint is kept') from None
    if damaged is not None:
        raise OSError(f'{path}: the entry {damaged} does not match its checksum; the previous checkpoint is kept')
