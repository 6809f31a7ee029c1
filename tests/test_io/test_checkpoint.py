"""Weights in unusual forms are loaded with the right values, or refused with a clear error, by every loader."""

import copy

import numpy as np
import pytest
import torch
from conftest import ROOT, load_tool
from mmengine.config import Config
from mmengine.runner import load_checkpoint

from mmderain.apis import init_model
from mmderain.engine.resume import require_same_model
from mmderain.errors import InputError
from mmderain.hub.convert import bare_weights
from mmderain.io import read_checkpoint, use_safe_loading
from mmderain.io.checkpoint import plain_weights
from mmderain.models import load_weights
from mmderain.perception.task import load_task_weights

NETWORK = dict(type='SIAN', channels=4, num_stages=1)
CONFIG = Config(dict(model=dict(type='Derainer', network=NETWORK), default_scope='mmderain'))


@pytest.fixture(scope='module')
def weights() -> dict:
    torch.manual_seed(7)
    return init_model(CONFIG).state_dict()


def by_mmengine(model, path):
    use_safe_loading()
    load_checkpoint(model, str(path), strict=True)


def by_resume(model, path):
    """Check the weights as tools/train.py does, and load them as mmengine's Runner does."""
    require_same_model(model, read_checkpoint(path), path)
    by_mmengine(model, path)


LOADERS = {
    'load_weights': load_weights,
    'load_task_weights': lambda model, path: load_task_weights(model, path, 'config.py'),
    'resume': by_resume,
    'mmengine, load_from': by_mmengine,
}
#: Maps the name of a form to a function that converts a state dict to the content of a file.
ACCEPTED = {
    'plain': lambda weights: weights,
    'module.': lambda weights: {f'module.{key}': value for key, value in weights.items()},
    'module.module.': lambda weights: {f'module.module.{key}': value for key, value in weights.items()},
    '_orig_mod.': lambda weights: {f'_orig_mod.{key}': value for key, value in weights.items()},
    'module._orig_mod.': lambda weights: {f'module._orig_mod.{key}': value for key, value in weights.items()},
    'network._orig_mod.': lambda weights: {
        key.replace('network.', 'network._orig_mod.'): value for key, value in weights.items()
    },
    'numpy': lambda weights: {key: value.numpy() for key, value in weights.items()},
}
#: Contents that contain no weights, and a part of the error message.
REFUSED = {
    'list': ([1, 2, 3], 'list'),
    'tensor': (torch.zeros(3), 'Tensor'),
    'number': (dict(state_dict={'network.embed.weight': 3.5}), "'network.embed.weight' of the state dict is a float"),
    'text': (dict(state_dict={'network.embed.weight': 'x'}), "'network.embed.weight' of the state dict is a str"),
    'key': (dict(state_dict={3: torch.zeros(3)}), 'entry 3 of the state dict'),
}


@pytest.mark.parametrize('loader', LOADERS)
@pytest.mark.parametrize('form', ACCEPTED)
def test_keys_of_wrapped_models_and_numpy_arrays_are_accepted(form, loader, weights, tmp_path):
    torch.save(dict(state_dict=ACCEPTED[form](weights), meta={}), tmp_path / 'a.pth')
    model = init_model(CONFIG)
    assert not torch.equal(model.state_dict()['network.embed.weight'], weights['network.embed.weight'])
    LOADERS[loader](model, tmp_path / 'a.pth')
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize('loader', ['load_weights', 'load_task_weights', 'train'])
@pytest.mark.parametrize('content', REFUSED)
def test_files_without_weights_are_refused(content, loader, tmp_path, capsys):
    content, text = REFUSED[content]
    torch.save(content, tmp_path / 'a.pth')
    if loader == 'train':
        arguments = [str(ROOT / 'configs/derain/sian_sample.py'), '--work-dir', str(tmp_path / 'run')]
        assert load_tool('train').main([*arguments, '--cfg-options', f'load_from={tmp_path}/a.pth']) == 1
        message = capsys.readouterr().err.removeprefix('error: ')
        assert not (tmp_path / 'run').exists()
    else:
        with pytest.raises(InputError) as error:
            LOADERS[loader](init_model(CONFIG), tmp_path / 'a.pth')
        message = str(error.value)
    assert message.startswith(f'{tmp_path}/a.pth: ')
    assert text in message or 'found no `state_dict`; expected a checkpoint of mmderain' in message


def test_keys_of_the_authors_lose_the_same_parts():
    tensor = torch.zeros(2)
    assert list(bare_weights('sian', {'module.module.a': tensor, '_orig_mod.b._orig_mod.c': tensor})) == ['a', 'b.c']


def test_only_parts_that_wrappers_add_are_removed():
    keys = ['network.module.a', 'my_module.a', 'module', 'module.module_list.0', 'x_orig_mod.a', 'a._orig_mod']
    expected = ['network.module.a', 'my_module.a', 'module', 'module_list.0', 'x_orig_mod.a', 'a._orig_mod']
    assert list(plain_weights(dict.fromkeys(keys, torch.zeros(1)))) == expected
    before = dict(a=np.arange(3.0))
    assert torch.equal(plain_weights(before)['a'], torch.arange(3.0, dtype=torch.float64))
    assert isinstance(before['a'], np.ndarray)


def test_the_config_and_the_options_of_the_caller_are_not_changed():
    config, options = (
        copy.deepcopy(CONFIG),
        {'model.network': dict(_delete_=True, type='NAFNet', width=4), 'model.tile': 0},
    )
    expected = copy.deepcopy(options)
    model = init_model(config, cfg_options=options)
    assert type(model.network).__name__ == 'NAFNet' and model.cfg.model.tile == 0
    assert config.to_dict() == CONFIG.to_dict() and options == expected
    model.cfg.model.tile = 64
    assert 'tile' not in config.model
    assert type(init_model(config, cfg_options=options).network).__name__ == 'NAFNet'
