"""Checkpoints that were written before modules and parameters were renamed still load, and training continues.

The files in tests/data/before_move were written by version 0.1.0 of 2026-11-25: weights of small networks, their
outputs, and the checkpoint of a training at step 3 of 6 with the losses of all six steps.
"""

import json

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.runner import Runner

from mmderain.engine.config import prepare_config
from mmderain.errors import InputError
from mmderain.io import read_checkpoint, save_weights
from mmderain.models import Derainer, load_weights
from mmderain.perception.task import load_task_weights

FOLDER = ROOT / 'tests/data/before_move'
EXPECTED = read_checkpoint(FOLDER / 'expected.pth')
#: Settings whose defaults have changed since version 0.1.0. CHANGELOG.md lists them.
OLD_SETTINGS = dict(
    mafnet=dict(pyramid_kernel=3, pyramid_padding='zeros', spatial_order='coarse_to_fine'),
)


@pytest.mark.parametrize('name', sorted(EXPECTED))
def test_old_weights_give_the_stored_output(name):
    network = read_checkpoint(FOLDER / f'{name}.pth')['meta']['network'] | OLD_SETTINGS.get(name, {})
    model = Derainer(network).eval()
    load_weights(model, FOLDER / f'{name}.pth')
    with torch.inference_mode():
        output = model.restore(EXPECTED[name]['input'])
    assert torch.allclose(output, EXPECTED[name]['output'], atol=1e-6)
    assert not set(model.spec.renamed_keys) & {part for key in model.state_dict() for part in key.split('.')}


def test_error_for_a_missing_key_uses_the_current_name(tmp_path):
    checkpoint = read_checkpoint(FOLDER / 'nasnet.pth')
    del checkpoint['state_dict']['network.enter.bias']
    save_weights(tmp_path / 'short.pth', checkpoint['state_dict'], {})
    model = Derainer(checkpoint['meta']['network'])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(InputError, match='missing key: network.conv_in.bias$'):
        load_weights(model, tmp_path / 'short.pth')
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_error_for_weights_of_other_readings_names_the_changelog():
    model = Derainer(read_checkpoint(FOLDER / 'mafnet.pth')['meta']['network'])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(
        InputError, match='(?s)does not fit .*CHANGELOG.md.*found shape .3, 3, 3, 3., expected .3, 3, 5, 5.'
    ):
        load_weights(model, FOLDER / 'mafnet.pth')
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize('load', [load_weights, lambda model, path: load_task_weights(model, path, 'task.py')])
def test_old_task_checkpoint_with_a_derainer_loads(load, tmp_path):
    """The checkpoint comes from a joint fine-tuning of a derainer and a task model."""
    checkpoint = read_checkpoint(FOLDER / 'jdnet.pth')
    old = {f'preprocessor.derainer.{key}': value for key, value in checkpoint['state_dict'].items()}
    model = torch.nn.Module()
    model.preprocessor = torch.nn.Module()
    model.preprocessor.derainer = Derainer(checkpoint['meta']['network'])
    model.head = torch.nn.Linear(2, 3)
    head = {f'head.{key}': value + 1 for key, value in model.head.state_dict().items()}
    save_weights(tmp_path / 'joint.pth', old | head, {})
    load(model, tmp_path / 'joint.pth')
    assert torch.equal(model.head.bias, head['head.bias'])
    with torch.inference_mode():
        output = model.preprocessor.derainer.eval().restore(EXPECTED['jdnet']['input'])
    assert torch.allclose(output, EXPECTED['jdnet']['output'], atol=1e-6)
    save_weights(tmp_path / 'short.pth', old, {})
    with pytest.raises(InputError, match='head.weight'):
        load(model, tmp_path / 'short.pth')


def test_old_training_continues_with_the_same_losses(tmp_path):
    cfg = training_config(tmp_path)
    cfg.load_from, cfg.resume = str(FOLDER / 'training.pth'), True
    runner = Runner.from_cfg(cfg)
    runner.train()
    content = (next(tmp_path.rglob('scalars.json'))).read_text().splitlines()
    losses = [json.loads(line)['loss'] for line in content]
    expected = json.loads((FOLDER / 'training_losses.json').read_text())
    assert losses == pytest.approx(expected[3:], abs=1e-4)
    averaged = read_checkpoint(tmp_path / 'iter_6.pth')['ema_state_dict']
    assert 'module.network.conv_in.weight' in averaged and 'module.network.enter.weight' not in averaged


def training_config(work_dir) -> Config:
    """Return the config of the training that wrote the checkpoint."""
    cfg = prepare_config(ROOT / 'configs/derain/sian_sample.py', work_dir)
    cfg.model.network = dict(type='NASNet', channels=4, num_stages=1, num_blocks=1)
    cfg.train_dataloader.dataset.data_root = str(ROOT / 'demo/sample/train')
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=4)
    cfg.train_dataloader.dataset.pipeline[1].crop_size = 24
    cfg.train_cfg.update(max_iters=6, val_interval=100)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.logger.interval = 1
    cfg.param_scheduler[0].T_max = 6
    cfg.custom_hooks = [dict(type='EMAHook', momentum=0.1)]
    cfg.randomness = dict(seed=7)
    return cfg
