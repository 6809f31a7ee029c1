"""Resumed trainings by tools/train.py: other configs, lost and damaged checkpoints, and accumulated gradients."""

import re
import shutil
from pathlib import Path

import crash_hook  # noqa: F401  (registers the hook EndBefore)
import pytest
import torch
from conftest import ROOT, load_tool

from mmderain.io import read_checkpoint

CONFIG = f"""
_base_ = '{ROOT}/configs/derain/sian_sample.py'
model = dict(network=dict(channels=4, num_stages=1))
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(data_root='{ROOT}/demo/sample/train', indices=6))
train_cfg = dict(max_iters=10, val_interval=1000)
val_cfg = None
val_dataloader = None
val_evaluator = None
optim_wrapper = dict(optimizer=dict(weight_decay=0.01, betas=(0.9, 0.999)))
param_scheduler = [dict(type='MultiStepLR', milestones=[4, 8], gamma=0.5, by_epoch=False)]
custom_hooks = [dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.01)]
default_hooks = dict(checkpoint=dict(interval=3, max_keep_ckpts=-1))
"""


def train(work_dir: Path, *words: str) -> int:
    """Run tools/train.py with options and with settings of the form ``key=value``."""
    Path('run.py').write_text(CONFIG)
    options = [word for word in words if '=' not in word]
    settings = ['train_dataloader.dataset.pipeline.1.crop_size=16', *(word for word in words if '=' in word)]
    return load_tool('train').main(['run.py', '--work-dir', str(work_dir), *options, '--cfg-options', *settings])


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Train for ten steps, with checkpoints after steps 3, 6, 9 and 10."""
    folder = tmp_path_factory.mktemp('trained')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert train(folder / 'run') == 0
    return folder / 'run'


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    """Return a copy of the work directory of a training."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, tmp_path / 'run')
    return tmp_path / 'run'


#: Maps a change of the config to the line that names it.
CHANGES = {
    'train_dataloader.batch_size=3': 'train_dataloader.batch_size: 2 -> 3',
    'randomness.seed=9': 'randomness.seed: 0 -> 9',
    'param_scheduler.0.milestones=[5,9]': r'param_scheduler.0.milestones: \[4, 8\] -> \[5, 9\]',
    'param_scheduler.0.type=StepLR': "param_scheduler.0.type: 'MultiStepLR' -> 'StepLR'",
    'optim_wrapper.optimizer.type=SGD': "optim_wrapper.optimizer.type: 'Adam' -> 'SGD'",
    'optim_wrapper.optimizer.betas=(0.8,0.999)': r'optim_wrapper.optimizer.betas: \[0.9, 0.999\] -> \[0.8, 0.999\]',
    'optim_wrapper.accumulative_counts=4': 'optim_wrapper.accumulative_counts: not set -> 4',
    'custom_hooks.0.momentum=0.1': 'custom_hooks.0.momentum: 0.01 -> 0.1',
    'train_dataloader.dataset.indices=4': 'train_dataloader.dataset.indices: 6 -> 4',
    'train_cfg.max_iters=20': 'train_cfg.max_iters: 10 -> 20',
}


@pytest.mark.fault(2, 'tools/train.py')
@pytest.mark.parametrize('change', CHANGES)
def test_another_config_stops_the_training(run, change, capsys):
    assert train(run, '--resume', change) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'error: {run}/iter_10.pth: the training was started with other settings')
    assert re.search(f'\n  {CHANGES[change]}\n', error), error
    assert not (run / 'iter_12.pth').exists()


@pytest.mark.fault(2, 'tools/train.py')
def test_a_training_continues_with_another_config(run, capsys):
    """The learning rate is halved at steps 4, 8 and 11 of the new config."""
    words = ['param_scheduler.0.milestones=[4,8,11]', 'train_cfg.max_iters=12', 'optim_wrapper.optimizer.lr=0.008']
    assert train(run, '--resume-with-config', *words) == 0
    assert 'param_scheduler.0.milestones: [4, 8] -> [4, 8, 11]' in capsys.readouterr().out
    checkpoint = read_checkpoint(run / 'iter_12.pth')
    assert checkpoint['optimizer']['param_groups'][0]['lr'] == pytest.approx(0.001)
    assert checkpoint['optimizer']['state'][0]['step'] == 12


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(path: Path) -> None:
    path.write_bytes(b'no checkpoint')


def lose(path: Path) -> None:
    path.unlink()
    path.symlink_to('missing')


#: Maps a damage to a function of the work directory, and to the checkpoint from which the training continues.
DAMAGES = {
    'the newest file is cut': (lambda run: truncate(run / 'iter_10.pth'), 9),
    'the newest file is missing': (lambda run: (run / 'iter_10.pth').unlink(), 9),
    'the newest file is a lost link': (lambda run: lose(run / 'iter_10.pth'), 9),
    'the two newest files are no checkpoints': (lambda run: [overwrite(run / f'iter_{n}.pth') for n in (9, 10)], 6),
    'no file names the newest': (lambda run: (run / 'last_checkpoint').unlink(), 10),
    'the name of the newest is damaged': (lambda run: (run / 'last_checkpoint').write_bytes(b'\xff\0'), 10),
    'the newest name is that of another machine': (
        lambda run: (run / 'last_checkpoint').write_text('/data/run/iter_6.pth\r\n'),
        6,
    ),
}


@pytest.mark.fault(3, 'tools/train.py', 'io.read_checkpoint')
@pytest.mark.parametrize(
    'damage',
    [
        # The hook writes the last checkpoint again, if the training was not complete.
        pytest.param(damage, marks=pytest.mark.fault(3, 'engine.SafeCheckpointHook') if step < 10 else [])
        for damage, (_, step) in DAMAGES.items()
    ],
)
def test_a_training_continues_from_the_newest_complete_checkpoint(run, trained, damage, capsys):
    change, step = DAMAGES[damage]
    expected = read_checkpoint(trained / 'iter_10.pth')
    change(run)
    assert train(run, '--resume', 'default_hooks.logger.interval=1') == 0
    output = capsys.readouterr().out
    if 'newest name' not in damage:
        assert f'The training continues from {run}/iter_{step}.pth' in output
    if step == 10:
        assert f'{run}/iter_10.pth: was saved after step 10 of 10; the training is complete' in output
    else:
        logs = max(run.glob('2*')).rglob('scalars.json')
        steps = [int(number) for path in logs for number in re.findall(r'"step": (\d+)', path.read_text())]
        assert sorted(set(steps)) == list(range(step + 1, 11))
    # The weights of the last step are those of the training without damage.
    found = read_checkpoint(run / 'iter_10.pth')
    assert all(torch.equal(found['state_dict'][key], value) for key, value in expected['state_dict'].items())


@pytest.mark.fault(3, 'tools/train.py', 'io.read_checkpoint')
def test_a_work_directory_without_a_complete_checkpoint_is_an_error(run, capsys):
    for path in run.glob('iter_*.pth'):
        overwrite(path)
    assert train(run, '--resume') == 1
    assert f'error: {run}: no checkpoint can be read: ' in capsys.readouterr().err


@pytest.mark.fault(4, 'tools/train.py', 'engine.SafeCheckpointHook')
@pytest.mark.parametrize('counts, crash, saved', [(4, 10, [4, 8]), (7, 9, [7])])
def test_accumulated_gradients_are_not_lost(tmp_path, monkeypatch, counts, crash, saved):
    """Ten steps are no multiple of the number of accumulated steps. A checkpoint is due after every third step."""
    monkeypatch.chdir(tmp_path)
    setting = f'optim_wrapper.accumulative_counts={counts}'
    assert train(tmp_path / 'whole', setting) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), 'CONFIG', f'{CONFIG}custom_hooks.append(dict(type="EndBefore", step={crash}))\n')
        assert train(tmp_path / 'parts', setting) == 130
    assert sorted(int(path.stem[5:]) for path in (tmp_path / 'parts').glob('iter_*.pth')) == saved
    assert train(tmp_path / 'parts', '--resume', setting) == 1  # the hook that crashed is missing in the config
    assert train(tmp_path / 'parts', '--resume-with-config', setting) == 0
    whole, parts = (read_checkpoint(tmp_path / name / 'iter_10.pth') for name in ('whole', 'parts'))
    for key, value in whole['state_dict'].items():
        assert torch.equal(parts['state_dict'][key], value), key
    for number, state in whole['optimizer']['state'].items():
        assert all(torch.equal(parts['optimizer']['state'][number][key], value) for key, value in state.items())
