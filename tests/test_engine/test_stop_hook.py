"""A signal stops a training, a resumed training continues, and a lock protects the work directory."""

import os
import signal

import pytest
from conftest import ROOT
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmderain.engine.config import prepare_config
from mmderain.engine.stopping import StopHook, StopRequest, stop_on_signals
from mmderain.engine.work_dir_lock import is_first_process, work_dir_lock
from mmderain.errors import Stopped


def test_a_signal_is_recorded_and_ctrl_c_after_it_interrupts(capfd):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_on_signals() as request:
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.number == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is handler
    assert capfd.readouterr().err == 'SIGTERM: the training stops after this step\n'


@pytest.mark.parametrize(
    'number, text, raised',
    [
        (signal.SIGTERM, 'DataLoader worker (pid 7) is killed by signal: Terminated.', Stopped),
        (signal.SIGTERM, 'shapes differ', RuntimeError),
        (0, 'DataLoader worker (pid 7) is killed by signal: Killed.', RuntimeError),
    ],
)
def test_an_error_of_a_loader_process_counts_as_a_stop_only_after_a_signal(number, text, raised):
    with pytest.raises(raised) as error, stop_on_signals() as request:
        request.number = number
        raise RuntimeError(text)
    if raised is Stopped:
        assert error.value.exit_status == 143 and 'continue from it with --resume' in str(error.value)


@pytest.mark.parametrize('step, checkpoint', [(1, None), (2, 'epoch_1.pth'), (3, 'epoch_1.pth')])
def test_a_stopped_training_by_epochs_has_checkpoints_of_complete_epochs(tmp_path, step, checkpoint):
    """An epoch has two steps. The signal comes in step 1, 2 or 3."""
    cfg = prepare_config(ROOT / 'configs/derain/sian_sample.py', tmp_path)
    cfg.model.network.update(channels=4, num_stages=1)
    cfg.train_dataloader.dataset.update(data_root=str(ROOT / 'demo/sample/train'), indices=4)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=2)
    cfg.train_dataloader.sampler.infinite = False
    cfg.train_dataloader.dataset.pipeline[1].crop_size = 16
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint = dict(type='SafeCheckpointHook', interval=1, by_epoch=True)
    cfg.log_processor.by_epoch = True
    cfg.experiment_name = str(tmp_path)
    request = StopRequest()

    class Signal(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter + 1 == step:
                request.number = signal.SIGTERM

    runner = Runner.from_cfg(cfg)
    runner.register_hook(Signal())
    runner.register_hook(StopHook(request))
    with pytest.raises(Stopped, match=f'stopped after step {step}; .*{checkpoint or "there is no checkpoint yet"}'):
        runner.train()
    assert [path.name for path in tmp_path.glob('*.pth')] == ([checkpoint] if checkpoint else [])


@pytest.mark.parametrize(
    'launcher, variable', [('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID'), ('mpi', 'OMPI_COMM_WORLD_RANK')]
)
def test_the_variable_of_the_launcher_tells_the_first_process(monkeypatch, launcher, variable):
    for name in ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'):
        monkeypatch.setenv(name, '0' if name == variable else '3')
    assert is_first_process(launcher) and is_first_process('none')
    monkeypatch.setenv(variable, '1')
    assert not is_first_process(launcher)


def test_a_file_system_without_locks_does_not_stop_a_training(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(37, 'No locks available')

    monkeypatch.setattr('fcntl.lockf', fail)
    with work_dir_lock(tmp_path / 'run'):
        assert (tmp_path / 'run/.lock').read_text().startswith(f'process {os.getpid()} on ')
    assert not (tmp_path / 'run').exists()  # the directory is removed, because it contained only the lock
