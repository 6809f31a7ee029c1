"""A checkpoint that cannot be written does not affect earlier checkpoints."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, require_task_models
from mmengine.config import Config
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner, find_latest_checkpoint

from mmderain.engine.checkpoint_hook import verify_checkpoint
from mmderain.engine.config import prepare_config
from mmderain.engine.safety import protect_training
from mmderain.io import read_checkpoint


def runner_of(work_dir, max_keep_ckpts: int, *hooks: Hook) -> Runner:
    """Return a runner that trains a tiny network for six steps, and saves a checkpoint after each step."""
    cfg = prepare_config(ROOT / 'configs/derain/sian_sample.py', work_dir)
    cfg.model.network.update(channels=4, num_stages=1)
    cfg.train_dataloader.dataset.data_root = str(ROOT / 'demo/sample/train')
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=1)
    cfg.train_dataloader.dataset.pipeline[1].crop_size = 16
    cfg.train_cfg.update(max_iters=6, val_interval=100)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=max_keep_ckpts)
    cfg.experiment_name = str(work_dir)  # the default is the time in seconds, which can be equal in two tests
    runner = Runner.from_cfg(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    return runner


def saved(work_dir) -> list[str]:
    return sorted(path.name for path in work_dir.iterdir() if '.pth' in path.name)


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    runner_of(tmp_path, 2).train()
    assert saved(tmp_path) == ['iter_5.pth', 'iter_6.pth']
    assert find_latest_checkpoint(str(tmp_path)) == str(tmp_path / 'iter_6.pth')


def test_all_checkpoints_are_kept_if_no_limit_is_set(tmp_path):
    runner_of(tmp_path, -1).train()
    assert saved(tmp_path) == [f'iter_{step}.pth' for step in range(1, 7)]


def after_writing(monkeypatch, runner, name: str, action: Callable[[Path], None]) -> None:
    """Call ``action`` with the path of a checkpoint whose name contains ``name``, after mmengine has written it."""
    write = type(runner).save_checkpoint

    def write_and_act(self, out_dir, filename, *args, **kwargs):
        write(self, out_dir, filename, *args, **kwargs)
        if name in filename:
            action(Path(out_dir) / filename)

    monkeypatch.setattr(type(runner), 'save_checkpoint', write_and_act)


def test_a_failed_write_keeps_the_previous_checkpoint(tmp_path, monkeypatch):
    """The disk becomes full while the fourth checkpoint is written."""

    def fill_disk(path):
        path.write_bytes(b'half')
        raise OSError(28, 'No space left on device')

    runner = runner_of(tmp_path, 1)
    after_writing(monkeypatch, runner, 'iter_4', fill_disk)
    with pytest.raises(OSError, match='No space left'):
        runner.train()
    assert saved(tmp_path) == ['iter_3.pth']
    assert find_latest_checkpoint(str(tmp_path)) == str(tmp_path / 'iter_3.pth')
    assert read_checkpoint(tmp_path / 'iter_3.pth')['meta']['iter'] == 3


def test_a_damaged_checkpoint_does_not_replace_the_previous_checkpoint(tmp_path, monkeypatch):
    def damage(path):
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 512] = bytes(512)
        path.write_bytes(content)

    runner = runner_of(tmp_path, 1)
    after_writing(monkeypatch, runner, 'iter_3', damage)
    with pytest.raises(OSError, match='the previous checkpoint is kept'):
        runner.train()
    assert saved(tmp_path) == ['iter_2.pth']
    verify_checkpoint(tmp_path / 'iter_2.pth')


@pytest.mark.parametrize('metrics', ['PSNR', ['PSNR', 'SSIM']])
def test_the_old_best_checkpoint_is_kept_until_the_new_one_is_written(tmp_path, monkeypatch, metrics):
    runner = runner_of(tmp_path, 1)
    hook = next(hook for hook in runner.hooks if hasattr(hook, 'save_best'))
    hook.__init__(interval=1, by_epoch=False, max_keep_ckpts=1, save_best=metrics, rule='greater')
    hook.before_train(runner)
    scores = [metrics] if isinstance(metrics, str) else metrics

    def best() -> list[str]:
        return [name for name in saved(tmp_path) if name.startswith('best')]

    hook.after_val_epoch(runner, {name: 20.0 for name in scores})
    assert best() == [f'best_{name}_iter_0.pth' for name in scores]
    monkeypatch.setattr(type(runner), 'iter', 5)
    write = type(runner).save_checkpoint

    def fail(self, *args, **kwargs):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(type(runner), 'save_checkpoint', fail)
    with pytest.raises(OSError, match='No space left'):
        hook.after_val_epoch(runner, {name: 21.0 for name in scores})
    assert best() == [f'best_{name}_iter_0.pth' for name in scores]
    monkeypatch.setattr(type(runner), 'save_checkpoint', write)
    hook.after_val_epoch(runner, {name: 22.0 for name in scores})
    assert set(best()) >= {f'best_{name}_iter_5.pth' for name in scores}


def test_only_the_best_checkpoint_is_kept(tmp_path, monkeypatch):
    runner = runner_of(tmp_path, 1)
    hook = next(hook for hook in runner.hooks if hasattr(hook, 'save_best'))
    hook.__init__(interval=1, by_epoch=False, max_keep_ckpts=1, save_best='PSNR', rule='greater')
    hook.before_train(runner)
    for step, score, expected in ((1, 20.0, 1), (2, 21.0, 2), (3, 19.0, 2), (4, 22.0, 4)):
        monkeypatch.setattr(type(runner), 'iter', step)
        hook.after_val_epoch(runner, dict(PSNR=score))
        assert [name for name in saved(tmp_path) if name.startswith('best')] == [f'best_PSNR_iter_{expected}.pth']


@pytest.mark.parametrize('path', sorted((ROOT / 'configs').glob('*/*.py')), ids=lambda path: path.stem)
def test_every_config_gets_the_hooks_that_protect_a_training(path):
    if path.parent.name == 'perception':
        require_task_models()
    cfg = prepare_config(path)
    protect_training(cfg)
    assert cfg.default_hooks.checkpoint.type.removeprefix('mmderain.') == 'SafeCheckpointHook'
    assert cfg.default_hooks.non_finite.type.removeprefix('mmderain.') == 'StopIfNotFiniteHook'


@pytest.mark.parametrize('hooks', [None, {}, dict(checkpoint=dict(type=CheckpointHook))])
def test_configs_of_any_style_get_the_hooks_that_protect_a_training(hooks):
    cfg = Config({} if hooks is None else dict(default_hooks=hooks))
    protect_training(cfg)
    assert cfg.default_hooks.checkpoint.type == 'mmderain.SafeCheckpointHook'
    assert cfg.default_hooks.non_finite.type == 'mmderain.StopIfNotFiniteHook'
