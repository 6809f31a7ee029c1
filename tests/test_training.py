"""A run is a function of its config: resumed, or split over processes, it is the same run."""

import copy
import os
import re
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmderain.apis import load_weights, prepare_config, read_checkpoint


def config(work_dir, **options) -> Config:
    """Six steps of a tiny SIAN on the shipped pictures, a checkpoint after every third."""
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
    cfg.merge_from_dict(copy.deepcopy(options))  # mmengine takes `_delete_` out of it
    return cfg


def logged(work_dir) -> list[dict[int, float]]:
    """Step -> loss of each run in a work dir, in the order they were started."""
    runs = []
    for path in sorted(work_dir.rglob('scalars.json')):
        found = re.findall(r'"loss": ([-\d.e]+).*?"step": (\d+)', path.read_text())
        runs.append({int(step): float(loss) for loss, step in found})
    return runs


def losses(work_dir) -> list[float]:
    (run,) = logged(work_dir)
    return [run[step] for step in sorted(run)]


def start(cfg: Config) -> Runner:
    """A runner in a second of its own, by which mmengine names a run's log folder and its visualizer."""
    time.sleep(1)
    return Runner.from_cfg(cfg)


def run(cfg: Config) -> dict:
    runner = start(cfg)
    runner.train()
    return runner.model.state_dict()


@pytest.mark.parametrize('loop', ['iterations', 'epochs'])
@pytest.mark.parametrize('workers', [0, 2])
def test_an_interrupted_run_continues_as_if_it_had_not_been(tmp_path, loop, workers):
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

    # Interrupted after half: what comes later is lost, the checkpoint stays.
    stopped = start(config(tmp_path / 'parts', **options))

    class Interrupt(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if runner.iter == 4:
                raise KeyboardInterrupt

    stopped.register_hook(Interrupt())
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    resumed = config(tmp_path / 'parts', **options)
    resumed.resume = True
    parts = run(resumed)

    (of_whole,), (before, after) = logged(tmp_path / 'whole'), logged(tmp_path / 'parts')
    assert sorted(of_whole) == [1, 2, 3, 4, 5, 6]
    # It went on from the checkpoint of step 3, not from the beginning.
    assert sorted(after) == [4, 5, 6] and after == {step: of_whole[step] for step in after}
    assert before == {step: of_whole[step] for step in before}
    for key, value in whole.items():
        assert torch.equal(parts[key], value), key


def test_another_seed_is_another_run(tmp_path):
    first = run(config(tmp_path / 'a', **{'randomness.seed': 1}))
    second = run(config(tmp_path / 'b', **{'randomness.seed': 2}))
    assert not torch.equal(first['network.embed.weight'], second['network.embed.weight'])
    assert losses(tmp_path / 'a') != losses(tmp_path / 'b')


def test_two_processes_equal_one(tmp_path):
    one = run(config(tmp_path / 'one'))
    cfg = config(tmp_path / 'two', **{'train_dataloader.batch_size': 2})
    cfg.dump(tmp_path / 'two.py')
    path = f'{os.path.dirname(sys.executable)}:{os.environ["PATH"]}'
    environment = os.environ | dict(OMP_NUM_THREADS='1', PORT='29531', PATH=path)
    done = subprocess.run(
        ['bash', ROOT / 'tools/dist_train.sh', tmp_path / 'two.py', '2', '--work-dir', tmp_path / 'two'],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    two = read_checkpoint(tmp_path / 'two/iter_6.pth')['state_dict']
    assert set(two) == set(one)
    for key, value in one.items():
        assert (two[key] - value).abs().max() < 1e-6, key


def test_bfloat16_training_follows_float32(tmp_path):
    plain = config(tmp_path / 'plain')
    run(plain)
    mixed = config(tmp_path / 'mixed')
    mixed.optim_wrapper.type = 'mmderain.BFloat16OptimWrapper'
    state = run(mixed)
    assert all(value.dtype == torch.float32 for value in state.values())
    a, b = losses(tmp_path / 'plain'), losses(tmp_path / 'mixed')
    assert a != b and b == pytest.approx(a, abs=0.05)


def test_checkpoint_of_a_run_loads_weights_only(tmp_path):
    state = run(config(tmp_path))
    other = start(config(tmp_path / 'other', **{'randomness.seed': 9})).model
    load_weights(other, tmp_path / 'iter_6.pth')
    for key, value in other.state_dict().items():
        assert torch.equal(value, state[key])
