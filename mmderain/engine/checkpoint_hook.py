"""The hook that saves checkpoints."""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmderain.io import atomic_write
from mmderain.registry import HOOKS


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """Save checkpoints so that neither a killed process nor a full disk loses the previous one.

    mmengine's ``CheckpointHook`` writes into the final file and deletes the oldest checkpoint first. This hook writes a
    temporary file, renames it, records its name in ``last_checkpoint`` in the same way, and only then deletes
    checkpoints beyond ``max_keep_ckpts``. It takes the arguments of ``CheckpointHook``. mmengine itself handles
    storage other than local files, and the checkpoints of ``save_best``.
    """

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        if not isinstance(self.file_backend, LocalBackend):
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        expired = self._record_step(runner, step)
        path = Path(self.out_dir) / self.filename_tmpl.format(step)
        self.last_ckpt = str(path)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        if not is_main_process():
            self._save(runner, path, meta)  # with sharded models every process takes part
            return
        with atomic_write(path) as part:
            self._save(runner, part, meta)
        with atomic_write(Path(runner.work_dir) / 'last_checkpoint') as part:
            part.write_text(self.last_ckpt)
        for old in expired:
            (Path(self.out_dir) / self.filename_tmpl.format(old)).unlink(missing_ok=True)

    def _record_step(self, runner: Runner, step: int) -> list[int]:
        """Add a step to those that are kept; return the steps whose checkpoints are no longer kept."""
        if self.max_keep_ckpts <= 0 or (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
            return []
        expired = list(self.keep_ckpt_ids)[: len(self.keep_ckpt_ids) + 1 - self.max_keep_ckpts]
        self.keep_ckpt_ids.append(step)  # a deque of this length: it drops the expired steps
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return expired

    def _save(self, runner: Runner, path: Path, meta: dict) -> None:
        runner.save_checkpoint(
            str(path.parent),
            path.name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
