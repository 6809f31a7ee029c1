"""A training continues from a compact checkpoint, which contains the step, the learning rate and float16 weights."""

import copy
import io
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmderain.engine.compact_state import compact_checkpoint, restore_checkpoint
from mmderain.engine.config import prepare_config
from mmderain.errors import InputError
from mmderain.io import read_checkpoint

MIB = 2**20


def file_size(checkpoint: dict) -> int:
    file = io.BytesIO()
    torch.save(checkpoint, file)
    return file.tell()


def large_checkpoint() -> dict:
    """Make a checkpoint of 32 MB like those of the queue: weights, averaged weights, and two moments of Adam."""
    generator = torch.Generator().manual_seed(0)
    weights = {'network.conv.weight': torch.randn(2_000_000, generator=generator)}
    averaged = {'network.conv.weight': torch.randn(2_000_000, generator=generator)}
    moments = dict(
        step=torch.tensor(12_345.0),
        exp_avg=torch.randn(2_000_000, generator=generator) * 1e-6,
        exp_avg_sq=torch.rand(2_000_000, generator=generator) * 1e-12,  # these values would be zero in float16
    )
    return dict(
        meta=dict(epoch=0, iter=12_345, seed=0),
        state_dict=averaged,
        ema_state_dict={'steps': torch.tensor(12_345), 'module.network.conv.weight': weights['network.conv.weight']},
        message_hub=dict(log_scalars={}, runtime_info=dict(best=1), resumed_keys={}),
        optimizer=dict(state={0: moments}, param_groups=[dict(lr=1e-4, params=[0])]),
        param_schedulers=[dict(last_step=12_345)],
    )


def test_a_checkpoint_of_32_mb_is_compacted_to_less_than_16_mib(tmp_path):
    checkpoint = large_checkpoint()
    assert file_size(checkpoint) > 32_000_000
    original = copy.deepcopy(checkpoint)
    compact = compact_checkpoint(checkpoint, 16 * MIB - 1)
    torch.save(compact, tmp_path / 'state.pth')
    assert (tmp_path / 'state.pth').stat().st_size < 16 * MIB
    restored = restore_checkpoint(read_checkpoint(tmp_path / 'state.pth'))

    for name, weights in (('state_dict', original['state_dict']), ('ema_state_dict', original['ema_state_dict'])):
        for key, value in weights.items():
            assert restored[name][key].dtype == value.dtype
            assert torch.allclose(restored[name][key], value, rtol=2**-11, atol=1e-7)
    (moments,), (target,) = (c['optimizer']['state'].values() for c in (restored, original))
    assert moments['step'] == 12_345
    assert all(torch.allclose(moments[key], target[key], rtol=2**-8, atol=0) for key in ('exp_avg', 'exp_avg_sq'))
    for key in ('meta', 'param_schedulers'):
        assert restored[key] == original[key]
    assert restored['message_hub'] == dict(
        log_scalars={}, runtime_info=dict(keep_ckpt_ids=[12_345]), resumed_keys=dict(keep_ckpt_ids=True)
    )
    # The original checkpoint was not changed.
    assert torch.equal(checkpoint['state_dict']['network.conv.weight'], original['state_dict']['network.conv.weight'])
    assert checkpoint['optimizer']['state'] and checkpoint['message_hub'] == original['message_hub']


def test_optimizer_then_weights_are_left_out_to_fit_the_size_limit():
    checkpoint = large_checkpoint()
    without_moments = compact_checkpoint(checkpoint, 9 * MIB)
    assert file_size(without_moments) <= 9 * MIB
    assert without_moments['optimizer'] == dict(state={}, param_groups=[dict(lr=1e-4, params=[0])])
    assert 'module.network.conv.weight' in without_moments['ema_state_dict']

    only_averaged = compact_checkpoint(checkpoint, 5 * MIB)
    assert file_size(only_averaged) <= 5 * MIB and set(only_averaged['ema_state_dict']) == {'steps'}
    restored = restore_checkpoint(only_averaged)
    averaged = restored['state_dict']['network.conv.weight']
    assert torch.allclose(averaged, checkpoint['state_dict']['network.conv.weight'], rtol=2**-11, atol=1e-7)
    assert torch.equal(restored['ema_state_dict']['module.network.conv.weight'], averaged)
    assert restored['ema_state_dict']['steps'] == 12_345
    assert set(only_averaged['ema_state_dict']) == {'steps'}  # restoring changed nothing in place

    with pytest.raises(InputError, match='expected at most 3145728'):
        compact_checkpoint(checkpoint, 3 * MIB)


def test_values_out_of_the_range_of_float16_stay_in_float32():
    weights = dict(large=torch.tensor([1e6, 1.0]), broken=torch.tensor([float('nan')]), small=torch.tensor([1e-3]))
    weights |= dict(count=torch.tensor([70_000]), one=torch.tensor(0.1))
    compact = compact_checkpoint(dict(meta=dict(iter=1), state_dict=weights), MIB)
    kinds = {key: value.dtype for key, value in compact['state_dict'].items()}
    assert kinds.pop('small') == torch.float16 and kinds.pop('count') == torch.int64
    assert set(kinds.values()) == {torch.float32}
    assert torch.equal(restore_checkpoint(compact)['state_dict']['large'], weights['large'])
    with pytest.raises(InputError, match='not a compact checkpoint'):
        restore_checkpoint(dict(meta={}, state_dict=weights))


# --- mmengine's runner continues from a compact checkpoint ---------------------------------------


class Recorder(Hook):
    """Record the weights before the first step, and the learning rate before each step, keyed by step."""

    def __init__(self) -> None:
        self.rates = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if not self.rates:
            self.weights = copy.deepcopy(runner.model.state_dict())
            (hook,) = (hook for hook in runner.hooks if isinstance(hook, EMAHook))
            self.averaged = copy.deepcopy(hook.ema_model.state_dict())
        self.rates[runner.iter] = runner.optim_wrapper.get_lr()['lr'][0]


def train(folder: Path, checkpoint: dict | None = None) -> Recorder:
    """Train a tiny SIAN to step 8, from the start or from a checkpoint."""
    cfg = prepare_config(ROOT / 'configs/derain/sian_sample.py', folder)
    cfg.model.network.update(channels=4, num_stages=2)
    cfg.train_dataloader.dataset.data_root = str(ROOT / 'demo/sample/train')
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=1)
    cfg.train_dataloader.dataset.pipeline[1].crop_size = 24
    cfg.train_cfg.update(max_iters=8, val_interval=100)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.update(interval=4, max_keep_ckpts=-1)
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=0.1, end=2, by_epoch=False),
        dict(type='CosineAnnealingLR', begin=2, T_max=6, eta_min=1e-6, by_epoch=False),
    ]
    cfg.custom_hooks = [
        dict(type='EMAHook', ema_type='MomentumAnnealingEMA', momentum=1e-3, gamma=10, update_buffers=True)
    ]
    cfg.experiment_name = str(folder)  # the default is the time in seconds, which two short runs can share
    if checkpoint:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(checkpoint, folder / 'restored.pth')
        cfg.resume, cfg.load_from = True, str(folder / 'restored.pth')
    recorder = Recorder()
    runner = Runner.from_cfg(cfg)
    runner.register_hook(recorder)
    runner.train()
    return recorder


@pytest.fixture(scope='module')
def interrupted(tmp_path_factory) -> tuple[dict, Recorder]:
    """Train all eight steps; return the checkpoint after four steps, and the record of all steps."""
    init_default_scope('mmderain')
    folder = tmp_path_factory.mktemp('interrupted')
    recorder = train(folder)
    return read_checkpoint(folder / 'iter_4.pth'), recorder


@pytest.mark.parametrize('kept', ['all', 'without moments', 'averaged weights alone'])
def test_training_continues_from_a_compact_checkpoint(interrupted, kept, tmp_path):
    checkpoint, whole = interrupted
    full = file_size(compact_checkpoint(checkpoint, MIB))
    weights = file_size({'weights': compact_checkpoint(checkpoint, MIB)['state_dict']})
    size = {'all': full, 'without moments': full - 1, 'averaged weights alone': 2 * weights}[kept]
    compact = compact_checkpoint(checkpoint, size)
    assert bool(compact['optimizer']['state']) == (kept == 'all')
    assert (len(compact['ema_state_dict']) == 1) == (kept == 'averaged weights alone')

    resumed = train(tmp_path, restore_checkpoint(compact))
    assert resumed.rates == pytest.approx({step: whole.rates[step] for step in range(4, 8)}, rel=1e-6)
    assert read_checkpoint(tmp_path / 'iter_8.pth')['meta']['iter'] == 8
    # EMAHook exchanges weights and averaged weights when it saves, so `state_dict` contains the averaged weights.
    in_training = 'state_dict' if kept == 'averaged weights alone' else 'ema_state_dict'
    prefix = '' if kept == 'averaged weights alone' else 'module.'
    for key, value in resumed.weights.items():
        assert torch.allclose(value, checkpoint[in_training][prefix + key], rtol=2**-11, atol=1e-7), key
        averaged = resumed.averaged[f'module.{key}']
        assert torch.allclose(averaged, checkpoint['state_dict'][key], rtol=2**-11, atol=1e-7), key
    assert resumed.averaged['steps'] == 4
