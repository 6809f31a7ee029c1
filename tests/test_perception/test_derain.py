"""The argument `derainer`, and deraining of images with levels from 0 to 255."""

from pathlib import Path

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config, ConfigDict

from mmderain.apis import init_model, trained_derainer
from mmderain.errors import InputError
from mmderain.perception import Derain, DerainBeforeTask
from mmderain.perception.derain import build_derainer, derain_levels, parse_derainer

from .cases import IDENTITY


def test_levels_are_rounded_and_gradients_flow():
    model = init_model(Config(IDENTITY['config']))
    batch = torch.arange(256.0).repeat(3, 1)[None, :, None].requires_grad_()
    out = derain_levels(model, batch)
    assert torch.equal(out, batch)  # whole numbers are not changed
    out.sum().backward()
    # The clamp passes the gradients of values at 0 and 1, and the rounding does not change gradients.
    assert torch.allclose(batch.grad, torch.ones_like(batch))


def test_derainer_argument_accepts_name_path_or_dict(sian, tmp_path):
    assert parse_derainer('sian') == ('sian', None)
    assert parse_derainer(tmp_path / 'a.py') == (tmp_path / 'a.py', None)
    assert parse_derainer(dict(config='a.py', checkpoint='a.pth')) == ('a.py', 'a.pth')
    # In a config that is inherited from another package, mmengine adds the package's scope.
    assert parse_derainer(ConfigDict(IDENTITY, _scope_='mmderain')) == (IDENTITY['config'], None)
    batch = torch.rand(1, 3, 24, 32)
    expected = init_model(**sian).restore(batch)
    for derainer in (sian, dict(config=Path(sian['config']), checkpoint=Path(sian['checkpoint']))):
        assert torch.equal(build_derainer(derainer).restore(batch), expected)


def test_bundled_name_gives_the_same_model_everywhere():
    """The transform, the preprocessor and the function that they both call accept a name."""
    expected = trained_derainer('sian').state_dict()
    models = [
        build_derainer('sian'),
        build_derainer(dict(config='sian')),
        Derain('sian')._load_model(),
        DerainBeforeTask('sian', dict(type='BaseDataPreprocessor')).model(),
    ]
    for model in models:
        assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize('build', [Derain, lambda derainer: DerainBeforeTask(derainer, dict(type='Unused'))])
def test_error_for_a_wrong_derainer_names_it(build, sian):
    """The transform and the preprocessor check the derainer before they build anything else."""
    jdnet = str(ROOT / 'configs/derain/jdnet_rain200h.py')
    for derainer, error, message in (
        (dict(sian, checkpoint='none.pth'), FileNotFoundError, 'derainer: none.pth: no such checkpoint file'),
        (dict(sian, config='none.py'), FileNotFoundError, 'derainer: none.py: no such config file'),
        (dict(config='mmderain::derain/sian_sample.py', checkpoint='none.pth'), FileNotFoundError, 'none.pth: no such'),
        (dict(config=sian['config']), InputError, 'derainer: .*sian.py: no weights are known'),
        (sian['config'], InputError, 'derainer: .*sian.py: no weights are known'),
        (dict(sian, config=jdnet), InputError, 'does not fit the model of the config'),
        ('siam', InputError, "derainer: no model is called 'siam'; did you mean 'sian'"),
        ('street-detector', InputError, 'derainer: street-detector: is a detector; expected a derainer'),
        (dict(path='x'), InputError, r"found \{'path': 'x'\}; expected .* or dict\(config=..., checkpoint=...\)"),
        (dict(checkpoint='a.pth'), InputError, r"found \{'checkpoint': 'a.pth'\}; expected"),
        (dict(config='sian', checkpoint=3), InputError, 'found .*; expected the name of a bundled model'),
        (IDENTITY['config'], InputError, 'found .*; expected the name of a bundled model'),
        (3, InputError, 'found 3; expected the name of a bundled model'),
        (None, InputError, 'found None; expected the name of a bundled model'),
    ):
        with pytest.raises(error, match=message):
            build(derainer)
