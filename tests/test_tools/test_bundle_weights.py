"""The tool bundle_weights.py adds the weights of a training to the bundled models."""

import json
import shutil

import pytest
import torch
from conftest import ROOT, load_tool

from mmderain.apis import init_model
from mmderain.hub import find_derainer
from mmderain.hub import index as model_index
from mmderain.hub.bundle import bundle_weights
from mmderain.io import read_checkpoint
from mmderain.models import Derainer

NAME, CONFIG = 'mine', 'derain/nafnet_photographs.py'


@pytest.fixture
def checkpoint(tmp_path):
    """Write the last checkpoint of a run, with entries that a bundled model does not need."""
    torch.manual_seed(1)
    model = init_model(ROOT / 'configs' / CONFIG)
    content = dict(meta=dict(iter=17, epoch=0), state_dict=model.state_dict(), optimizer=dict(state={}))
    torch.save(content, tmp_path / 'iter_17.pth')
    return tmp_path / 'iter_17.pth'


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Make a folder with the index of the bundled models, without their weights."""
    folder = tmp_path / 'weights'
    folder.mkdir()
    shutil.copy(ROOT / 'mmderain/weights/index.json', folder)
    monkeypatch.setattr(model_index, 'WEIGHTS', folder)
    return folder


def bundle(*arguments) -> int:
    return load_tool('dev/bundle_weights').main([str(word) for word in arguments])


def test_bundled_weights_equal_those_of_the_run_in_half_precision(checkpoint, weights, capsys):
    before = json.loads((weights / 'index.json').read_text())
    assert bundle(NAME, CONFIG, checkpoint, '--about', 'a test', '--weights', weights) == 0
    assert 'mine.pth: ' in capsys.readouterr().out
    index = json.loads((weights / 'index.json').read_text())
    assert index.pop(NAME)['about'] == 'a test' and index == {k: v for k, v in before.items() if k != NAME}
    config, path = find_derainer(NAME)
    loaded, trained = init_model(config, path), read_checkpoint(checkpoint)['state_dict']
    assert isinstance(loaded, Derainer) and path.stat().st_size < 4.2e6
    for key, value in loaded.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, trained[key].half().float())
    assert read_checkpoint(path)['meta'] == dict(config=CONFIG, steps=17)


def test_weights_that_do_not_fit_are_refused_and_nothing_is_written(checkpoint, weights, capsys):
    before = (weights / 'index.json').read_bytes()
    wrong = torch.load(checkpoint)
    wrong['state_dict']['network.intro.weight'][0] = 1e6
    torch.save(wrong, checkpoint.with_name('large.pth'))
    right = torch.load(checkpoint)
    torch.save(right['state_dict'], checkpoint.with_name('bare.pth'))
    torch.save([1], checkpoint.with_name('list.pth'))
    torch.save(dict(state_dict=right['state_dict']), checkpoint.with_name('no_meta.pth'))
    for arguments, message in [
        ([NAME, 'derain/sian_compact.py', checkpoint], 'the weights do not fit the network'),
        (
            [NAME, CONFIG, checkpoint.with_name('large.pth')],
            'network.intro.weight: a value is NaN, infinite or too large for float16',
        ),
        ([NAME, CONFIG, checkpoint.with_name('none.pth')], 'none.pth: no such checkpoint file'),
        ([NAME, 'derain/none.py', checkpoint], 'none.py'),
        ([NAME, CONFIG, checkpoint.with_name('bare.pth')], 'bare.pth: found no `state_dict`'),
        ([NAME, CONFIG, checkpoint.with_name('list.pth')], 'list.pth: found no `state_dict`'),
        (
            [NAME, CONFIG, checkpoint.with_name('no_meta.pth')],
            "no_meta.pth: found no number of steps in `meta['iter']`",
        ),
    ]:
        assert bundle(*arguments, '--about', 'x', '--weights', weights) == 1
        assert message in capsys.readouterr().err
    assert (weights / 'index.json').read_bytes() == before and not list(weights.glob('*.pth'))


@pytest.mark.parametrize('content, message', [('{"a": ', 'cannot be read as JSON'), ('[]', 'found a list, expected')])
def test_a_damaged_index_changes_nothing(checkpoint, weights, capsys, content, message):
    (weights / 'index.json').write_text(content)
    (weights / 'mine.pth').write_bytes(b'weights of before')
    assert bundle(NAME, CONFIG, checkpoint, '--about', 'x', '--weights', weights) == 1
    assert f'index.json: {message}' in capsys.readouterr().err
    assert (weights / 'index.json').read_text() == content
    assert (weights / 'mine.pth').read_bytes() == b'weights of before'


def test_names_of_parameters_in_older_versions_are_converted(tmp_path, weights):
    (tmp_path / 'net.py').write_text(
        "default_scope = 'mmderain'\n"
        "model = dict(type='Derainer', network=dict(type='NASNet', channels=4, num_stages=1, num_blocks=1))\n"
    )
    model = init_model(tmp_path / 'net.py')
    old = {key.replace('conv_in', 'enter'): value for key, value in model.state_dict().items()}
    assert old.keys() != model.state_dict().keys()
    torch.save(dict(meta=dict(iter=3), state_dict=old), tmp_path / 'old.pth')
    path = bundle_weights(NAME, 'net.py', tmp_path / 'old.pth', 'a test', tmp_path, weights)
    assert read_checkpoint(path)['state_dict'].keys() == model.state_dict().keys()
