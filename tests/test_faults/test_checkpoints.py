"""Checkpoints of all forms are loaded, or refused by name, by every program and function that loads them."""

from pathlib import Path

import pytest
import torch
from conftest import ROOT, load_tool
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import TRANSFORMS
from mmengine.runner import load_checkpoint

from mmderain import cli
from mmderain.apis import DerainInferencer, init_model, trained_derainer
from mmderain.errors import InputError
from mmderain.io import read_checkpoint, use_safe_loading
from mmderain.models import Derainer, load_weights

from .places import CONFIG

WEIGHT = torch.tensor([0.5])


def saved(content, **options):
    return lambda path: torch.save(content, path, **options)


FORMS = {
    'plain': saved(dict(state_dict={'network.weight': WEIGHT})),
    'module.module.': saved(dict(state_dict={'module.module.network.weight': WEIGHT})),
    '_orig_mod.': saved(dict(state_dict={'_orig_mod.network._orig_mod.weight': WEIGHT})),
    'numpy': saved(dict(state_dict={'network.weight': WEIGHT.numpy()})),
    'big-endian numpy': saved(dict(state_dict={'network.weight': WEIGHT.numpy().astype('>f4')})),
    'half precision': saved(dict(state_dict={'network.weight': WEIGHT.half()})),
    'parameter': saved(dict(state_dict={'network.weight': torch.nn.Parameter(WEIGHT)})),
    'old format': saved(dict(state_dict={'network.weight': WEIGHT}), _use_new_zipfile_serialization=False),
}
BAD_FORMS = {
    'list': saved([WEIGHT]),
    'None': saved(None),
    'list of numbers': saved(dict(state_dict={'network.weight': [0.5]})),
    'sparse': saved(dict(state_dict={'network.weight': WEIGHT.to_sparse()})),
    'complex': saved(dict(state_dict={'network.weight': WEIGHT + 0j})),
    'two equal keys': saved(dict(state_dict={'network.weight': WEIGHT, 'module.network.weight': WEIGHT + 1})),
    'another shape': saved(dict(state_dict={'network.weight': torch.zeros(2)})),
    'number as key': saved(dict(state_dict={7: WEIGHT})),
    'text': lambda path: path.write_text('no checkpoint'),
    'empty': lambda path: path.touch(),
    'folder': lambda path: path.mkdir(),
}


def by_mmengine(path):
    use_safe_loading()
    model = init_model(Config(CONFIG))
    load_checkpoint(model, str(path), strict=True)
    return model


def loaded(path):
    model = init_model(Config(CONFIG))
    load_weights(model, path)
    return model


def transform_of(path):
    derainer = dict(config=CONFIG, checkpoint=str(path))
    return TRANSFORMS.build(dict(type='mmderain.Derain', derainer=derainer))._load_model()


def preprocessor_of(path):
    derainer, wrapped = dict(config=CONFIG, checkpoint=str(path)), dict(type='BaseDataPreprocessor')
    return ROOT_MODELS.build(dict(type='mmderain.DerainBeforeTask', derainer=derainer, wrapped=wrapped)).model()


def by_key(path):
    model = Derainer(dict(type='StoresInputs'))
    content = read_checkpoint(path)
    if not isinstance(content, dict):
        raise InputError(f'{path}: found {content!r}')
    model.load_state_dict(content['state_dict'])
    return model


LOADERS = {
    'apis.DerainInferencer': lambda path: DerainInferencer(CONFIG, path).model,
    'apis.init_model': lambda path: init_model(Config(CONFIG), path),
    'apis.trained_derainer': lambda path: trained_derainer(CONFIG, path),
    'io.read_checkpoint': by_key,
    'io.use_safe_loading': by_mmengine,
    'models.load_weights': loaded,
    'perception.Derain': transform_of,
    'perception.DerainBeforeTask': preprocessor_of,
}


@pytest.mark.filterwarnings('ignore')  # torch warns about sparse tensors, and mmengine about other keys
@pytest.mark.parametrize('name', [pytest.param(name, marks=pytest.mark.fault(11, name)) for name in LOADERS])
def test_checkpoints_of_all_forms_are_loaded_or_refused_by_name(place, name):
    for number, (form, write) in enumerate((FORMS | BAD_FORMS).items()):
        path = place / f'{number}.pth'
        write(path)
        if form in FORMS:
            assert LOADERS[name](path).network.weight.tolist() == [0.5], form
        elif name not in ('io.read_checkpoint', 'io.use_safe_loading') or form in (
            'list',
            'None',
            'text',
            'empty',
            'folder',
        ):
            with pytest.raises((InputError, FileNotFoundError, RuntimeError)) as caught:  # mmengine: RuntimeError
                LOADERS[name](path)
            assert f'{number}.pth' in str(caught.value), form


PROGRAMS = {
    'mmderain derain': lambda path: cli.main(['derain', 'in', '--out', 'out', '--model', 'net.py', '--weights', path]),
    'tools/test.py': lambda path: load_tool('test').main(['run.py', path, '--work-dir', 'run']),
    'tools/train.py': lambda path: load_tool('train').main(
        ['run.py', '--work-dir', 'run', '--cfg-options', f'load_from={path}']
    ),
    'tools/export.py': lambda path: load_tool('export').main(
        ['net.py', 'o.pt2', '--weights', path, '--size', '32', '32']
    ),
}


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', [pytest.param(name, marks=pytest.mark.fault(11, name)) for name in PROGRAMS])
def test_programs_refuse_checkpoints_by_name(place, name, capsys):
    data = (
        "dict(type='PairedImageDataset', data_prefix=dict(img='in', gt='in'), pipeline=[dict(type='LoadPairedImages')])"
    )
    Path('in').mkdir()
    Path('a.png').rename('in/a.png')
    Path('run.py').write_text(
        f"_base_ = '{ROOT}/configs/derain/sian_sample.py'\n"
        "model = dict(network=dict(_delete_=True, type='StoresInputs'))\n"
        f'train_dataloader = dict(dataset=dict(_delete_=True, **{data}))\n'
        f'test_dataloader = dict(dataset=dict(_delete_=True, **{data}))\nval_dataloader = test_dataloader\n'
    )
    for number, (form, write) in enumerate(BAD_FORMS.items()):
        if name == 'tools/train.py' and form in ('two equal keys', 'another shape'):
            continue  # load_from of mmengine loads the weights that fit
        write(place / f'{number}.pth')
        assert PROGRAMS[name](f'{number}.pth') == 1, form
        assert f'error: {number}.pth' in capsys.readouterr().err, form
