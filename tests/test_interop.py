"""Types of mmderain work in mmengine, mmdet and mmseg, and types of other packages work in mmderain."""

import subprocess
import sys
import textwrap

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import DefaultScope, init_default_scope

import mmderain.registry
from mmderain.apis import init_model
from mmderain.compat import installed_distribution
from mmderain.engine.config import prepare_config
from mmderain.errors import InputError


def python(code: str, cwd) -> str:
    """Run code in a new interpreter, in which nothing has been imported."""
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(code)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_every_registry_of_mmengine_has_a_child_in_mmderain():
    from mmengine import registry as root
    from mmengine.registry import Registry

    names = [name for name, value in vars(root).items() if isinstance(value, Registry)]
    assert len(names) >= 20
    for name in names:
        child = getattr(mmderain.registry, name)
        assert child.scope == 'mmderain' and child.parent is getattr(root, name)


@pytest.mark.parametrize('imports', ['', 'import mmderain'])
def test_the_prefix_finds_types_with_and_without_an_import(imports, tmp_path):
    code = f"""
        {imports}
        from mmengine.registry import MODELS, TRANSFORMS, init_default_scope
        init_default_scope('mmengine')
        print(TRANSFORMS.build(dict(type='mmderain.SynthesizeRain', preset='light')))
        model = MODELS.build(dict(type='mmderain.Derainer', network=dict(type='mmderain.SIAN', channels=4)))
        print(type(model).__name__)
    """
    assert python(code, tmp_path).split('\n')[:2] == [
        "SynthesizeRain(preset='light', seed=None, data_root=None, random_scale=None)",
        'Derainer',
    ]


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg'])
def test_types_are_found_in_the_scope_of_a_task_library(scope):
    pytest.importorskip(scope, reason=f'{scope} is not installed')
    DefaultScope._instance_dict.clear()
    init_default_scope(scope)
    rain = ROOT_TRANSFORMS.build(dict(type='mmderain.SynthesizeRain', preset='heavy', seed=1))
    assert rain.preset == 'heavy'
    model = ROOT_MODELS.build(
        dict(
            type='mmderain.Derainer',
            network=dict(type='SIAN', channels=4),
            loss=dict(type='SSIMLoss'),
            _scope_='mmderain',
        )
    )
    assert type(model.network).__name__ == 'SIAN'


@pytest.mark.parametrize(
    'base, model',
    [
        ('mmderain::derain/sian_rain100l.py', 'Derainer'),
        ('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', 'FasterRCNN'),
        ('mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py', 'EncoderDecoder'),
    ],
)
def test_configs_inherit_across_packages(base, model, tmp_path):
    module = base.partition('::')[0]
    if module != 'mmderain' and installed_distribution(module) is None:
        pytest.skip(f'{module} is not installed')
    path = tmp_path / 'leaf.py'
    path.write_text(f"_base_ = '{base}'\n")
    assert Config.fromfile(path).model.type == model


NETWORK = """
    import torch
    from mmengine.model import BaseModule
    from mmderain.models import NetworkSpec
    from mmderain.registry import MODELS

    @MODELS.register_module()
    class HalfBright(BaseModule):
        def __init__(self, factor):
            super().__init__()
            self.spec = NetworkSpec(channel_order='bgr', size_multiple=4)
            self.factor = torch.nn.Parameter(torch.tensor(float(factor)))

        def forward(self, x):
            assert x.shape[-1] % 4 == 0
            return [x * self.factor]
"""


def test_a_config_can_use_a_network_from_another_package(tmp_path, monkeypatch):
    (tmp_path / 'their_derainer.py').write_text(textwrap.dedent(NETWORK))
    (tmp_path / 'config.py').write_text(
        "custom_imports = dict(imports=['their_derainer'])\n"
        "model = dict(type='Derainer', network=dict(type='HalfBright', factor=0.5), loss=dict(type='SSIMLoss'))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    model = init_model(tmp_path / 'config.py')
    batch = torch.rand(1, 3, 5, 7)
    assert torch.allclose(model.restore(batch), batch / 2)


def test_prepare_config_applies_options_and_names_errors(tmp_path, monkeypatch):
    path = ROOT / 'configs/derain/sian_rain100h.py'
    cfg = prepare_config(path, cfg_options={'train_dataloader.batch_size': 3}, amp=True)
    assert cfg.work_dir == 'work_dirs/sian_rain100h' and cfg.train_dataloader.batch_size == 3
    expected = 'AmpOptimWrapper' if torch.cuda.is_available() else 'mmderain.BFloat16OptimWrapper'
    assert cfg.optim_wrapper.type == expected
    with pytest.raises(FileNotFoundError, match='nothere.py: no such config file'):
        prepare_config('nothere.py')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    for key in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.delenv(key, raising=False)
    with pytest.raises(InputError, match='missing environment variables: RANK, WORLD_SIZE, LOCAL_RANK.*torchrun'):
        prepare_config(path, launcher='pytorch')
