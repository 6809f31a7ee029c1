"""No function changes a config, a dict or a list that its caller passes."""

import copy

import numpy as np
import pytest
import torch
from conftest import ROOT, write_pairs
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import TRANSFORMS

from mmderain.apis import DerainInferencer, init_model, trained_derainer
from mmderain.datasets import PairedImageDataset
from mmderain.engine.config import prepare_config
from mmderain.engine.resume_config import config_differences
from mmderain.models import Derainer, NetworkSpec
from mmderain.perception.derain import build_derainer
from mmderain.registry import MODELS


@MODELS.register_module()
class Copies(torch.nn.Module):
    """Network without weights that returns its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x]


MODEL = dict(
    type='mmderain.Derainer',
    network=dict(type='Copies'),
    loss=[dict(type='L1Loss', loss_weight=2.0)],
    data_preprocessor=dict(type='mmderain.DerainDataPreprocessor'),
)
CONFIG = dict(model=MODEL, default_scope='mmderain')
OPTIONS = {'model.network': dict(_delete_=True, type='Copies'), 'model.tile': 16}
SAMPLE = ROOT / 'configs/derain/sian_sample.py'
WRAPPED = dict(type='BaseDataPreprocessor')
#: Maps the name of a function to its arguments that are dicts, lists or configs, and to a call with these arguments.
CALLS = {
    'init_model': ([Config(CONFIG), OPTIONS], lambda a, b: init_model(a, cfg_options=b)),
    'trained_derainer': ([CONFIG, OPTIONS], lambda a, b: trained_derainer(a, cfg_options=b)),
    'DerainInferencer': ([CONFIG], lambda a: DerainInferencer(a, tile=16)),
    'Derainer': ([MODEL], lambda a: Derainer(**{key: value for key, value in a.items() if key != 'type'})),
    'MODELS.build': ([MODEL], MODELS.build),
    'build_derainer': ([dict(config=CONFIG)], lambda a: build_derainer(a, precision='fp32')),
    'Derain': (
        [dict(config=CONFIG)],
        lambda a: TRANSFORMS.build(dict(type='mmderain.Derain', derainer=a))(dict(img=np.zeros((8, 8, 3), np.uint8))),
    ),
    'DerainBeforeTask': (
        [dict(config=CONFIG), WRAPPED],
        lambda a, b: ROOT_MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer=a, wrapped=b)),
    ),
    'prepare_config': ([OPTIONS], lambda a: prepare_config(SAMPLE, cfg_options=a)),
    'config_differences': (
        [Config(CONFIG), dict(meta=dict(cfg='model = dict(tile=3)'))],
        lambda a, b: config_differences(a, b),
    ),
    'PairedImageDataset': (
        [
            dict(type='prefix', img='rain-', gt='norain-'),
            dict(img='rain', gt='norain'),
            [dict(type='LoadPairedImages')],
        ],
        lambda a, b, c: PairedImageDataset(data_root='.', pairing=a, data_prefix=b, pipeline=c)[0],
    ),
}


def plain(argument):
    return argument.to_dict() if isinstance(argument, Config) else argument  # Config has no comparison


#: Maps functions to their names in tests/input_faults.py.
INTERFACES = {
    'init_model': 'apis.init_model',
    'trained_derainer': 'apis.trained_derainer',
    'DerainInferencer': 'apis.DerainInferencer',
    'Derainer': 'models.Derainer',
    'Derain': 'perception.Derain',
    'DerainBeforeTask': 'perception.DerainBeforeTask',
    'PairedImageDataset': 'datasets.PairedImageDataset',
}


@pytest.mark.parametrize(
    'name',
    [pytest.param(name, marks=pytest.mark.fault(11, INTERFACES[name]) if name in INTERFACES else []) for name in CALLS],
)
def test_the_arguments_of_the_caller_are_not_changed(name, tmp_path, monkeypatch):
    write_pairs(tmp_path, '01', size=(8, 8))
    monkeypatch.chdir(tmp_path)
    arguments, call = copy.deepcopy(CALLS[name][0]), CALLS[name][1]
    call(*arguments)
    assert [plain(argument) for argument in arguments] == [plain(argument) for argument in CALLS[name][0]]
    call(*arguments)  # a second call works too
