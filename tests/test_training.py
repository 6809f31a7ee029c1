"""A training depends only on its config: a resumed run and a run in several processes give the same weights."""

import copy
import os
import re
import subprocess
import sys
import time
import warnings
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT, SMALL_NETWORKS, free_port, load_tool
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmderain.engine.config import decide_amp, prepare_config, use_amp
from mmderain.io import read_checkpoint
from mmderain.models import load_weights


def config(work_dir, **options) -> Config:
    """Return the config of a training of a small SIAN for six steps, with a checkpoint after every third step."""
    cfg = prepare_config(ROOT / 'configs/derain/sian_sample.py', work_dir)
    cfg.model.network.update(channels=4, num_stages=2)
    cfg.train_dataloader.dataset.data_root = str(ROOT / 'demo/sample/train')
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=4)
    cfg.train_dataloader.dataset.pipeline[1].crop_size = 24
    cfg.train_cfg.update(max_iters=6, val_interval=100)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint.update(interval=3, max_keep_ckpts=-1)
    cfg.param_scheduler[0].T_max = 6
    cfg.experiment_name = str(work_dir)  # the default is the time in seconds, which can be equal in two runs
    cfg.merge_from_dict(copy.deepcopy(options))  # mmengine removes `_delete_` from its argument
    return cfg


def logged(work_dir) -> list[dict[int, float]]:
    """Return a dictionary of step -> loss for each run in a work directory, in the order of the runs."""
    runs = []
    for path in sorted(work_dir.rglob('scalars.json')):
        found = re.findall(r'"loss": ([-\d.e]+).*?"step": (\d+)', path.read_text())
        runs.append({int(step): float(loss) for loss, step in found})
    return runs


def losses(work_dir) -> list[float]:
    (run,) = logged(work_dir)
    return [run[step] for step in sorted(run)]


def run(cfg: Config) -> dict:
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner.model.state_dict()


@pytest.mark.parametrize('loop', ['iterations', 'epochs'])
@pytest.mark.parametrize('workers', [0, 2])
def test_resumed_run_equals_an_uninterrupted_run(tmp_path, loop, workers):
    options = {'train_dataloader.num_workers': workers, 'train_dataloader.persistent_workers': workers > 0}
    if loop == 'epochs':
        options |= {
            'train_cfg': dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=2),
            'train_dataloader.sampler.infinite': False,
            'train_dataloader.dataset.indices': 12,
            'default_hooks.checkpoint': dict(interval=1, by_epoch=True),
            'log_processor.by_epoch': True,
        }
    whole = run(config(tmp_path / 'whole', **options))

    # The run is interrupted after four of six steps. The checkpoint of step 3 remains.
    stopped = Runner.from_cfg(config(tmp_path / 'parts', **options))

    class Interrupt(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == 4:
                raise KeyboardInterrupt

    stopped.register_hook(Interrupt())
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    time.sleep(1)  # mmengine names the log folder after the time in seconds
    resumed = config(tmp_path / 'parts', **options)
    resumed.resume = True
    parts = run(resumed)

    (of_whole,), (before, after) = logged(tmp_path / 'whole'), logged(tmp_path / 'parts')
    assert sorted(of_whole) == [1, 2, 3, 4, 5, 6]
    # The resumed run continued from the checkpoint of step 3, not from the start.
    assert sorted(after) == [4, 5, 6] and after == {step: of_whole[step] for step in after}
    assert before == {step: of_whole[step] for step in before}
    for key, value in whole.items():
        assert torch.equal(parts[key], value), key


def test_another_seed_gives_another_run(tmp_path):
    first = run(config(tmp_path / 'a', **{'randomness.seed': 1}))
    second = run(config(tmp_path / 'b', **{'randomness.seed': 2}))
    assert not torch.equal(first['network.embed.weight'], second['network.embed.weight'])
    assert losses(tmp_path / 'a') != losses(tmp_path / 'b')


@pytest.mark.parametrize('network', SMALL_NETWORKS, ids=lambda network: network['type'])
def test_loader_processes_do_not_change_the_weights(tmp_path, network):
    options = {'model.network': network | {'_delete_': True}, 'train_cfg.max_iters': 3}
    here = run(config(tmp_path / 'here', **options))
    options |= {'train_dataloader.num_workers': 2, 'train_dataloader.persistent_workers': True}
    loaders = run(config(tmp_path / 'loaders', **options))
    for key, value in here.items():
        assert torch.equal(loaders[key], value), key


# JDNet is left out, because its batch normalizations average only over the images of their own process.
@pytest.mark.parametrize(
    'network', [n for n in SMALL_NETWORKS if n['type'] != 'JDNet'], ids=lambda network: network['type']
)
def test_two_processes_give_the_weights_of_one_process(tmp_path, network):
    options = {'model.network': network | {'_delete_': True}}
    one = run(config(tmp_path / 'one', **options))
    cfg = config(tmp_path / 'two', **options, **{'train_dataloader.batch_size': 2})
    cfg.dump(tmp_path / 'two.py')
    path = f'{os.path.dirname(sys.executable)}:{os.environ["PATH"]}'
    environment = os.environ | dict(OMP_NUM_THREADS='1', PORT=str(free_port()), PATH=path)
    done = subprocess.run(
        ['bash', ROOT / 'tools/dist_train.sh', tmp_path / 'two.py', '2', '--work-dir', tmp_path / 'two'],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-8000:]  # the launcher's report is long, and follows the error
    two = read_checkpoint(tmp_path / 'two/iter_6.pth')['state_dict']
    assert set(two) == set(one)
    # The gradients of two half batches are rounded differently from the gradients of the whole batch, and Adam
    # amplifies the difference. A step changes weights by up to 1e-3, so a wrong average of the gradients would be
    # visible.
    for key, value in one.items():
        if 'spatial' in key and key.endswith('key.bias'):
            continue  # this bias does not change the softmax, so its gradient is only a rounding error
        assert (two[key] - value).abs().max() < 5e-6, key


#: Prints the names of the threads that remain after a tool has ended. Python aborts if a thread of gloo runs too long.
THREADS_AFTER = """
import sys
from pathlib import Path
from conftest import load_tool
assert load_tool(sys.argv[1]).main(sys.argv[2:]) == 0
print('threads:', *(path.read_text().strip() for path in Path('/proc/self/task').glob('*/comm')))
"""


def test_no_thread_of_gloo_remains_after_a_tool(tmp_path):
    cfg = config(tmp_path / 'run', **{'train_cfg.max_iters': 1})
    cfg.dump(tmp_path / 'run.py')
    paths = os.pathsep.join([str(ROOT), str(ROOT / 'tests')])
    alone = dict(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', PYTHONPATH=paths)
    for tool, arguments in (('train', []), ('test', [tmp_path / 'run/iter_1.pth'])):
        command = [sys.executable, '-c', THREADS_AFTER, tool, tmp_path / 'run.py', *arguments]
        command += ['--work-dir', tmp_path / 'run', '--launcher', 'pytorch']
        environment = os.environ | alone | dict(MASTER_PORT=str(free_port()))
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
        (threads,) = re.findall('^threads: (.*)', done.stdout, re.M)
        assert 'python' in threads and 'gloo' not in threads


def test_bfloat16_training_follows_float32(tmp_path):
    plain = config(tmp_path / 'plain')
    run(plain)
    mixed = config(tmp_path / 'mixed')
    mixed.optim_wrapper.type = 'mmderain.BFloat16OptimWrapper'
    state = run(mixed)
    assert all(value.dtype == torch.float32 for value in state.values())
    a, b = losses(tmp_path / 'plain'), losses(tmp_path / 'mixed')
    assert a != b and b == pytest.approx(a, abs=0.05)


@pytest.fixture
def cpu(monkeypatch):
    """Return a function that sets the processor features and the measured speed-up, and hides GPUs."""

    def say(hardware: bool, speedup: float | None = None) -> None:
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
        for module in ('mmderain.models.precision', 'mmderain.engine.config'):
            monkeypatch.setattr(f'{module}.has_bf16', lambda device: hardware)
        if speedup is not None:
            monkeypatch.setattr('mmderain.engine.config.training_speedup', lambda model, device: speedup)

    return say


MEASURED = 'a training step on a small batch is {} times as fast in bfloat16 as in float32'
NO_BF16 = 'this processor has neither AMX nor AVX-512-BF16'


@pytest.mark.parametrize(
    'amp, hardware, speedup, mixed, text',
    [
        ([], True, 2, False, ''),
        (['--amp'], True, 0.5, True, ''),
        (['--amp=on'], True, 0.5, True, ''),
        (['--amp=auto'], True, 1.831, True, f'--amp=auto: {MEASURED.format("1.83")}; mixed precision is used\n'),
        (['--amp=auto'], True, 1.04, False, f'--amp=auto: {MEASURED.format("1.04")}; mixed precision is not used\n'),
        (['--amp=auto'], False, 2, False, f'--amp=auto: {NO_BF16}; mixed precision is not used\n'),
    ],
)
def test_amp_option_selects_the_optimizer_wrapper(
    tmp_path, monkeypatch, capsys, cpu, amp, hardware, speedup, mixed, text
):
    cpu(hardware, speedup)
    tool, trained = load_tool('train'), []
    monkeypatch.setattr(
        tool.Runner,
        'from_cfg',
        lambda cfg: trained.append(cfg) or SimpleNamespace(train=bool, register_hook=id, model=None),
    )
    monkeypatch.chdir(ROOT)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert tool.main(['configs/derain/sian_sample.py', '--work-dir', str(tmp_path), *amp]) == 0
    assert capsys.readouterr().out == text
    assert trained[0].optim_wrapper.type == ('mmderain.BFloat16OptimWrapper' if mixed else 'OptimWrapper')


def test_amp_without_hardware_warns_with_the_ratio(tmp_path, cpu):
    cpu(hardware=False, speedup=1 / 12.7)
    with pytest.warns(UserWarning) as caught:
        assert decide_amp(config(tmp_path), 'on')
    assert [str(warning.message) for warning in caught] == [
        f'--amp: {NO_BF16}; bfloat16 took 12.7 times as long as float32 in a measurement with small images; '
        'use --amp=auto, or leave it out'
    ]


def test_amp_auto_measures_the_model_of_the_config(tmp_path, capsys, cpu):
    cpu(hardware=True)
    cfg = config(tmp_path)
    before = cfg.pretty_text
    decided = decide_amp(cfg, 'auto')
    printed = re.fullmatch(
        f'--amp=auto: {MEASURED.format("([0-9.]+)")}; mixed precision is (not )?used\n', capsys.readouterr().out
    )
    assert float(printed[1]) > 0 and bool(printed[2]) != decided
    assert cfg.pretty_text == before


@pytest.mark.parametrize(
    'wrapper, hardware, mixed',
    [
        ('BFloat16OptimWrapper', True, True),
        ('OptimWrapper', True, False),
        ('BFloat16OptimWrapper', False, False),
    ],
)
def test_amp_auto_keeps_the_precision_of_a_resumed_run_on_suitable_hardware(
    tmp_path, monkeypatch, capsys, cpu, wrapper, hardware, mixed
):
    cpu(hardware=hardware)
    monkeypatch.setattr('mmderain.engine.config.training_speedup', None)  # a measurement would fail
    resumed = dict(meta=dict(cfg=f"optim_wrapper = dict(type='{wrapper}')"))
    assert decide_amp(config(tmp_path), 'auto', resumed) is mixed
    assert f'mixed precision is {"" if mixed else "not "}used' in capsys.readouterr().out


def test_load_from_starts_a_new_run(tmp_path, monkeypatch, capsys, cpu):
    """With --resume in an empty work directory, a new run starts too. With --amp=auto, a new run measures the speed."""
    cpu(hardware=True, speedup=2)
    tool, trained = load_tool('train'), []
    monkeypatch.setattr(
        tool.Runner,
        'from_cfg',
        lambda cfg: trained.append(cfg) or SimpleNamespace(train=bool, register_hook=id, model=None),
    )
    monkeypatch.chdir(ROOT)
    weights = ROOT / 'mmderain/weights/sian_compact.pth'
    for options in ([], ['--resume']):
        arguments = ['configs/derain/sian_sample.py', '--work-dir', str(tmp_path), *options, '--amp=auto']
        assert tool.main([*arguments, '--cfg-options', f'load_from={weights}']) == 0
        assert not trained[-1].resume and trained[-1].load_from == str(weights)
        assert f'--amp=auto: {MEASURED.format("2.00")}; mixed precision is used' in capsys.readouterr().out


def test_amp_auto_uses_mixed_precision_on_a_gpu(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr('mmderain.engine.config.training_speedup', None)
    cfg = config(tmp_path)
    assert decide_amp(cfg, 'auto') and decide_amp(cfg, 'on') and not decide_amp(cfg, None)
    use_amp(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper' and cfg.optim_wrapper.loss_scale == 'dynamic'


@pytest.mark.parametrize('of_process_0', [True, False])
def test_process_0_decides_about_amp_for_all(tmp_path, monkeypatch, capsys, cpu, of_process_0):
    cpu(hardware=not of_process_0, speedup=2)
    monkeypatch.setattr('mmderain.engine.config.get_rank', lambda: 1)
    monkeypatch.setattr('mmderain.engine.config.broadcast_object_list', lambda data: data.__setitem__(0, of_process_0))
    assert decide_amp(config(tmp_path), 'auto') is of_process_0 and capsys.readouterr().out == ''


def test_unknown_values_of_amp_are_refused(tmp_path, capsys):
    with pytest.raises(ValueError, match="amp must be None, 'on' or 'auto', found True"):
        decide_amp(config(tmp_path), True)
    with pytest.raises(SystemExit):
        load_tool('train').parse_args(['config.py', '--amp=off'])
    assert "argument --amp: invalid choice: 'off'" in capsys.readouterr().err


def test_load_weights_reads_the_weights_of_a_training_checkpoint(tmp_path):
    state = run(config(tmp_path))
    other = Runner.from_cfg(config(tmp_path / 'other', **{'randomness.seed': 9})).model
    load_weights(other, tmp_path / 'iter_6.pth')
    for key, value in other.state_dict().items():
        assert torch.equal(value, state[key])
