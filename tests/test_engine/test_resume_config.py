"""A training is resumed only with the settings of its checkpoint, or by the new settings with --resume-with-config."""

import math

import pytest
import torch
from conftest import ROOT, load_tool
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmderain.engine.resume_config import FollowConfigHook
from mmderain.engine.safety import protect_training
from mmderain.engine.work_dir_lock import process_count
from mmderain.errors import InputError
from mmderain.io import read_checkpoint

CONFIG = """
_base_ = '{root}/configs/derain/sian_sample.py'
model = dict(network=dict(channels=4, num_stages=1))
train_dataloader = dict(batch_size=1, num_workers=0, persistent_workers=False,
    dataset=dict(data_root='{root}/demo/sample/train', indices=4))
val_cfg = None
val_dataloader = None
val_evaluator = None
"""
STEPS = """
train_cfg = dict(max_iters=6)
optim_wrapper = dict(optimizer=dict(weight_decay=0.01))
param_scheduler = [dict(type='LinearLR', start_factor=0.1, end=2, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=2, T_max=4, eta_min=1e-5, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=3, max_keep_ckpts=-1))
"""
EPOCHS = """
train_dataloader.update(sampler=dict(infinite=False))
train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=2)
param_scheduler = [dict(type='MultiStepLR', milestones=[1], gamma=0.1, by_epoch=True)]
default_hooks = dict(checkpoint=dict(interval=1, by_epoch=True, max_keep_ckpts=-1))
log_processor = dict(by_epoch=True)
"""
BY_STEPS, BY_EPOCHS = (CONFIG.format(root=ROOT) + more for more in (STEPS, EPOCHS))


@pytest.fixture(scope='module', params=['steps', 'epochs'])
def run(request, tmp_path_factory):
    """Train for six steps with checkpoints iter_3 and iter_6, or for two epochs of four steps, by tools/train.py."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / 'config.py').write_text(BY_STEPS if request.param == 'steps' else BY_EPOCHS)
    assert train(folder) == 0
    return request.param, folder


def train(folder, *options, **settings) -> int:
    words = [f'{key}={value}' for key, value in settings.items()]
    words += ['train_dataloader.dataset.pipeline.1.crop_size=16', f'experiment_name={folder.name}{len(runs(folder))}']
    arguments = [str(folder / 'config.py'), '--work-dir', str(folder / 'run'), *options, '--cfg-options', *words]
    return load_tool('train').main(arguments)


def runs(folder) -> list:
    return sorted(path for path in (folder / 'run').glob('2*') if path.is_dir())


def test_the_same_config_has_no_differences_and_a_complete_training_says_so(run, capsys):
    kind, folder = run
    number = len(runs(folder))
    assert train(folder, '--resume') == 0
    last = 'iter_6.pth: was saved after step 6 of 6' if kind == 'steps' else 'epoch_2.pth: was saved after epoch 2 of 2'
    text = f'{folder}/run/{last}; the training is complete, and nothing is done.\n'
    assert capsys.readouterr().out == text
    assert len(runs(folder)) == number  # no new log was started


def test_settings_that_do_not_affect_the_weights_may_change(run, capsys):
    kind, folder = run
    settings = {
        'train_dataloader.num_workers': 1,
        'train_dataloader.persistent_workers': True,
        'train_dataloader.dataset.data_root': ROOT / 'demo/sample/test',
        'train_dataloader.dataset.unreadable': 'skip',
        'train_cfg.val_interval': 7,
        'model.network.with_cp': True,
        'model.precision': 'bf16',
        'model.tile': 64,
        'default_hooks.logger.interval': 3,
        'optim_wrapper.clip_grad': None,
    }
    assert train(folder, '--resume', **settings) == 0
    assert 'the training is complete' in capsys.readouterr().out


def test_a_changed_config_stops_the_training_and_lists_the_changes(run, capsys):
    kind, folder = run
    if kind == 'epochs':
        changes = {
            'param_scheduler.0.milestones': '[1,3]',
            'train_cfg.max_epochs': 4,
            'optim_wrapper.optimizer.lr': 0.1,
        }
        lines = '0.001 -> 0.1', '[1] -> [1, 3]', '2 -> 4'
    else:
        changes = {'param_scheduler.1.T_max': 10, 'train_cfg.max_iters': 12, 'optim_wrapper.optimizer.lr': 0.1}
        lines = '0.001 -> 0.1', '4 -> 10', '6 -> 12'
    assert train(folder, '--resume', **changes) == 1
    listed = '\n'.join(f'  {key}: {line}' for key, line in zip(sorted(changes), lines, strict=True))
    last = 'iter_6.pth' if kind == 'steps' else 'epoch_2.pth'
    assert capsys.readouterr().err == (
        f'error: {folder}/run/{last}: the training was started with other settings (old value -> new value):\n'
        f'{listed}\n'
        'Use the config of that training, which is in its work directory. Or add --resume-with-config, which continues '
        'with the new values.\n'
    )


class Recorder(Hook):
    """Record the settings of the optimizer in each step."""

    def __init__(self) -> None:
        self.groups: dict[int, dict] = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        (group,) = runner.optim_wrapper.optimizer.param_groups
        self.groups[runner.iter] = {key: value for key, value in group.items() if key != 'params'}


def recorded(folder, name, *hooks, **settings) -> tuple[Runner, dict[int, dict]]:
    """Train with changed settings, and return the runner and the settings of the optimizer in each step."""
    cfg = Config.fromfile(folder / 'config.py')
    cfg.merge_from_dict({**settings, 'experiment_name': f'{folder}{name}', 'work_dir': str(folder / name)})
    cfg.train_dataloader.dataset.pipeline[1].crop_size = 16
    protect_training(cfg)
    runner, recorder = Runner.from_cfg(cfg), Recorder()
    for hook in (recorder, *hooks):
        runner.register_hook(hook)
    runner.train()
    return runner, recorder.groups


def test_a_training_follows_the_new_config(run):
    """The learning rates are those of a training that has this config from the start."""
    kind, folder = run
    settings = {'optim_wrapper.optimizer.lr': 2e-3, 'optim_wrapper.optimizer.weight_decay': 0.1, 'randomness.seed': 5}
    if kind == 'steps':
        checkpoint, first, last = folder / 'run/iter_3.pth', 3, 12
        settings |= {'train_cfg.max_iters': last, 'param_scheduler.1.T_max': 10}
        cosine = [1e-5 + (2e-3 - 1e-5) * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(1, 10)]
    else:
        checkpoint, first, last = folder / 'run/epoch_1.pth', 4, 12
        settings |= {'train_cfg.max_epochs': 3, 'param_scheduler.0.milestones': [2], 'param_scheduler.0.gamma': 0.5}
        cosine = [2e-3] * 4 + [1e-3] * 4
    whole, expected = recorded(folder, 'whole', **settings)
    resumed = settings | {'load_from': str(checkpoint), 'resume': True}
    runner, found = recorded(folder, 'resumed', FollowConfigHook(), **resumed)
    assert list(found) == list(range(first, last))
    assert [group['lr'] for group in found.values()] == pytest.approx(cosine, rel=1e-9)
    assert all(found[step] == expected[step] and group['weight_decay'] == 0.1 for step, group in found.items())
    assert runner.seed == 5
    # Without the hook, mmengine continues with the schedule and the settings of the checkpoint.
    _, without = recorded(folder, 'without', **resumed)
    assert without[first]['lr'] != pytest.approx(cosine[0]) and without[first]['weight_decay'] != 0.1
    # The moments of the optimizer and the weights come from the checkpoint.
    state = runner.optim_wrapper.state_dict()['state'][0]
    assert state['step'] == last and not torch.equal(runner.model.state_dict()['network.embed.weight'],
                                                     whole.model.state_dict()['network.embed.weight'])  # fmt: skip


@pytest.mark.parametrize('run', ['steps'], indirect=True)
def test_the_option_continues_with_the_new_config(run, capsys):
    folder = run[1]
    changes = {'train_cfg.max_iters': 8, 'param_scheduler.1.T_max': 6, 'optim_wrapper.optimizer.type': 'AdamW'}
    assert train(folder, '--resume-with-config', **changes) == 0
    output = capsys.readouterr().out
    assert '--resume-with-config: settings that change (old value -> new value):\n' in output
    assert "  optim_wrapper.optimizer.type: 'Adam' -> 'AdamW'\n  param_scheduler.1.T_max: 4 -> 6\n" in output
    checkpoint = read_checkpoint(folder / 'run/iter_8.pth')
    assert checkpoint['optimizer']['state'][0]['step'] == 2  # the moments of another optimizer are not used
    lr = checkpoint['optimizer']['param_groups'][0]['lr']
    assert lr == pytest.approx(
        1e-5 + (1e-3 - 1e-5) * (1 + math.cos(math.pi * 5 / 6)) / 2
    )  # the last step of the cosine
    (folder / 'run/iter_8.pth').unlink()
    (folder / 'run/last_checkpoint').write_text('iter_6.pth')


def test_a_resumed_training_without_a_seed_uses_the_seed_of_the_checkpoint(tmp_path, capsys):
    (tmp_path / 'config.py').write_text(BY_STEPS + 'randomness = dict(seed=None)\n')
    assert train(tmp_path) == 0
    whole = read_checkpoint(tmp_path / 'run/iter_6.pth')
    resumed = ['--resume', str(tmp_path / 'run/iter_3.pth')]
    assert train(tmp_path, *resumed) == 0
    found = read_checkpoint(tmp_path / 'run/iter_6.pth')
    assert found['meta']['seed'] == whole['meta']['seed']
    assert f'seed={whole["meta"]["seed"]}' in found['meta']['cfg'] and 'seed=None' in whole['meta']['cfg']
    assert all(torch.equal(found['state_dict'][key], value) for key, value in whole['state_dict'].items())
    # The checkpoint of the resumed training contains the seed. The config without a seed can still continue from it.
    capsys.readouterr()
    assert train(tmp_path, '--resume') == 0
    assert 'the training is complete' in capsys.readouterr().out


@pytest.mark.parametrize('run', ['steps'], indirect=True)
def test_another_number_of_processes_is_reported(run, capsys):
    path = run[1] / 'iter_3.pth'
    checkpoint = read_checkpoint(run[1] / 'run/iter_3.pth')
    assert checkpoint['meta']['world_size'] == 1
    checkpoint['meta']['world_size'] = 2
    torch.save(checkpoint, path)
    assert train(run[1], '--resume', str(path)) == 1
    assert '(old value -> new value):\n  number of processes: 2 -> 1\n' in capsys.readouterr().err


@pytest.mark.parametrize(
    'launcher, variable', [('pytorch', 'WORLD_SIZE'), ('slurm', 'SLURM_NTASKS'), ('mpi', 'OMPI_COMM_WORLD_SIZE')]
)
def test_the_launchers_tell_the_number_of_processes(launcher, variable, monkeypatch):
    monkeypatch.setenv(variable, '6')
    assert process_count(launcher) == 6 and process_count('none') == 1


@pytest.mark.parametrize('run', ['steps'], indirect=True)
def test_a_checkpoint_that_contains_only_weights_is_refused(run, capsys):
    path = run[1] / 'best_PSNR_iter_3.pth'
    checkpoint = read_checkpoint(run[1] / 'run/iter_3.pth')
    torch.save({key: checkpoint[key] for key in ('meta', 'state_dict')}, path)
    assert train(run[1], '--resume', str(path)) == 1
    text = f'error: {path}: found no optimizer, param_schedulers; this checkpoint contains only weights, as the files'
    assert capsys.readouterr().err.startswith(text)


def test_resume_without_a_checkpoint_starts_a_new_training(tmp_path, capsys):
    (tmp_path / 'config.py').write_text(BY_STEPS)
    assert train(tmp_path, '--resume', **{'train_cfg.max_iters': 3}) == 0
    text = f'--resume: {tmp_path}/run contains no checkpoint; a new training starts.'
    assert text in capsys.readouterr().out.splitlines()
    assert (tmp_path / 'run/iter_3.pth').is_file()


@pytest.mark.parametrize('run', ['steps'], indirect=True)
def test_schedulers_and_optimizers_that_cannot_be_computed_are_refused(run):
    folder = run[1]
    resumed = {'load_from': str(folder / 'run/iter_3.pth'), 'resume': True}
    plateau = [dict(type='ReduceOnPlateauLR', monitor='loss', by_epoch=True)]
    with pytest.raises(
        InputError, match='the scheduler ReduceOnPlateauLR depends on the scores of earlier validations'
    ):
        recorded(folder, 'plateau', FollowConfigHook(), **resumed, param_scheduler=plateau)
    groups = dict(custom_keys=dict(embed=dict(lr_mult=0.1)))
    with pytest.raises(InputError, match='other groups than the checkpoint .entry optim_wrapper.paramwise_cfg'):
        recorded(folder, 'groups', FollowConfigHook(), **resumed, **{'optim_wrapper.paramwise_cfg': groups})
