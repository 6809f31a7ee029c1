"""If gradients are accumulated over several steps, a checkpoint is saved only after a step that updates the weights."""

import signal

import pytest
import torch
from conftest import ROOT
from crash_hook import EndBefore
from mmengine.hooks import Hook
from mmengine.runner import Runner
from test_checkpoint_hook import saved

from mmderain.engine.config import prepare_config
from mmderain.engine.stopping import StopHook, StopRequest
from mmderain.errors import InputError, Stopped


def runner_of(work_dir, name: str, by_epoch: bool, resume: bool = False) -> Runner:
    """Return a runner whose weights are updated after every 4 steps (with epochs: after every 2 steps).

    It trains for 10 steps with a checkpoint every 3 steps, or for 4 epochs of 3 steps with a checkpoint after each.
    """
    cfg = prepare_config(ROOT / 'configs/derain/sian_sample.py', work_dir)
    cfg.model.network.update(channels=4, num_stages=1)
    cfg.train_dataloader.dataset.update(data_root=str(ROOT / 'demo/sample/train'), indices=6)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=2)
    cfg.train_dataloader.dataset.pipeline[1].crop_size = 16
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.optim_wrapper.accumulative_counts = 2 if by_epoch else 4
    cfg.train_cfg.update(max_iters=10, val_interval=100)
    cfg.default_hooks.checkpoint = dict(type='SafeCheckpointHook', interval=3, by_epoch=False)
    if by_epoch:
        cfg.train_dataloader.sampler.infinite = False
        cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4)
        cfg.default_hooks.checkpoint = dict(type='SafeCheckpointHook', interval=1, by_epoch=True)
        cfg.log_processor.by_epoch = True
    cfg.experiment_name, cfg.resume = name, resume
    return Runner.from_cfg(cfg)


@pytest.mark.parametrize(
    'by_epoch, crash, before, after',
    [
        (False, 7, ['iter_4.pth'], ['iter_10.pth', 'iter_4.pth', 'iter_8.pth']),
        (True, 11, ['epoch_2.pth'], ['epoch_2.pth', 'epoch_4.pth']),
    ],
    ids=['steps', 'epochs'],
)
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path, by_epoch, crash, before, after):
    whole = runner_of(tmp_path / 'whole', f'{tmp_path}1', by_epoch)
    whole.train()
    assert saved(tmp_path / 'whole') == after
    stopped = runner_of(tmp_path / 'parts', f'{tmp_path}2', by_epoch)
    stopped.register_hook(EndBefore(crash))
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    assert saved(tmp_path / 'parts') == before
    resumed = runner_of(tmp_path / 'parts', f'{tmp_path}3', by_epoch, resume=True)
    resumed.train()
    assert saved(tmp_path / 'parts') == after
    weights = resumed.model.state_dict()
    for key, value in whole.model.state_dict().items():
        assert torch.equal(weights[key], value), key
    moments = resumed.optim_wrapper.state_dict()['state']
    for number, state in whole.optim_wrapper.state_dict()['state'].items():
        assert all(torch.equal(moments[number][key], value) for key, value in state.items())


def test_a_signal_stops_the_training_after_the_next_update(tmp_path):
    runner, request = runner_of(tmp_path, str(tmp_path), by_epoch=False), StopRequest()

    class Signal(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter + 1 == 5:
                request.number = signal.SIGTERM

    runner.register_hook(Signal())
    runner.register_hook(StopHook(request))
    with pytest.raises(Stopped, match=f'^stopped after step 8; the last checkpoint is {tmp_path}/iter_8.pth; '):
        runner.train()


@pytest.mark.parametrize('step, last', [(4, 'none'), (8, 'iter_4.pth')])
def test_weights_are_checked_before_a_postponed_checkpoint(tmp_path, step, last):
    """The checkpoints that are due after steps 3 and 6 are saved after steps 4 and 8."""
    runner = runner_of(tmp_path, str(tmp_path), by_epoch=False)

    class Spoil(Hook):
        """Spoil a weight after the loss of a step is computed."""

        priority = 'HIGHEST'

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter + 1 == step:
                next(runner.model.parameters()).data.fill_(torch.nan)

    runner.register_hook(Spoil())
    with pytest.raises(InputError, match=rf'step {step}: the weight .* is not finite.'):
        runner.train()
    assert saved(tmp_path) == ([] if last == 'none' else [last])


def test_the_best_checkpoint_is_not_saved_with_weights_that_are_not_finite(tmp_path):
    """The validation comes after a step in which no other checkpoint is due."""
    runner = runner_of(tmp_path, str(tmp_path), by_epoch=False)
    hook = next(hook for hook in runner.hooks if hasattr(hook, 'save_best'))
    hook.__init__(interval=100, by_epoch=False, save_best='PSNR', rule='greater')
    hook.before_train(runner)
    next(runner.model.parameters()).data.fill_(torch.nan)
    with pytest.raises(InputError, match='the weight .* is not finite. No checkpoint was saved'):
        runner.call_hook('after_val_epoch', metrics=dict(PSNR=20.0))
    assert saved(tmp_path) == []
