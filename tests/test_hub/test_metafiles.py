"""Detectors and segmentors are found by their names in metafiles."""

import hashlib

import pytest
import torch
from conftest import ROOT, require_task_models
from file_server import file_of

from mmderain import cli
from mmderain.errors import InputError
from mmderain.hub import find_task_model, task_models
from mmderain.perception.task import load_task_model

METAFILE = """
Models:
  - Name: tiny_{kind}
    Alias: [tiny]
    Config: {config}
    Weights: https://example.invalid/tiny-{sha256}.pth
    Results:
      - Task: {task}
        Dataset: street
        Metrics: {{score: 1.5}}
"""
TASKS = {
    'detector': ('configs/perception/atss_r18_street.py', 'Object Detection'),
    'segmentor': ('configs/perception/pspnet_r18_street.py', 'Semantic Segmentation'),
}


@pytest.fixture(params=TASKS)
def tiny(request, mirror, tmp_path, monkeypatch):
    """Publish a model with random weights on the mirror, in a metafile that MMDERAIN_METAFILES names."""
    require_task_models()
    config, task = TASKS[request.param]
    weights = load_task_model(f'street-{request.param}').model.state_dict()
    torch.manual_seed(0)
    random = {key: torch.randn_like(v) if v.is_floating_point() else v for key, v in weights.items()}
    content = file_of(dict(state_dict=random))
    sha256 = hashlib.sha256(content).hexdigest()[:8]
    mirror.files[f'tiny-{sha256}.pth'] = content
    text = METAFILE.format(kind=request.param, config=ROOT / config, sha256=sha256, task=task)
    (tmp_path / 'metafile.yml').write_text(text)
    monkeypatch.setenv('MMDERAIN_METAFILES', str(tmp_path / 'metafile.yml'))
    return request.param, random


def test_a_model_of_a_metafile_is_loaded_by_name(tiny, mirror, capsys):
    kind, weights = tiny
    for name in (f'tiny_{kind}', 'tiny'):
        task = load_task_model(name)
        assert task.kind == kind
        assert all(torch.equal(value, weights[key]) for key, value in task.model.state_dict().items())
    assert len(mirror.requests) == 1
    assert cli.main(['models', 'tiny_', '--task', kind]) == 0
    assert f'  tiny_{kind}  {kind}  street: score 1.5' in capsys.readouterr().out


def test_a_wrong_file_of_a_metafile_is_refused(tiny, mirror):
    kind, _ = tiny
    mirror.files = {name: file_of(dict(state_dict={})) for name in mirror.files}
    with pytest.raises(InputError, match=r'tiny-\w{8}.pth: expected SHA-256 \w{8}, found'):
        load_task_model(f'tiny_{kind}')


def test_a_model_of_another_kind_is_refused_before_its_weights_are_downloaded(tiny, mirror):
    kind, _ = tiny
    other = 'segmentor' if kind == 'detector' else 'detector'
    with pytest.raises(
        InputError, match=f'^tiny_{kind}: is a {kind}; expected a {other}. `mmderain models TEXT --task'
    ):
        find_task_model(f'tiny_{kind}', kind=other)
    assert mirror.requests == []
    assert find_task_model(f'tiny_{kind}', kind=kind)[1].is_file() and len(mirror.requests) == 1


REAL = {
    'rtmdet_s_8xb32-300e_coco': (
        'detector',
        'mmdetection/v3.0/rtmdet/rtmdet_s_8xb32-300e_coco/',
        'rtmdet_s_8xb32-300e_coco_20220905_161602-387a891e.pth',
    ),
    'pspnet_r50-d8_4xb4-80k_ade20k-512x512': (
        'segmentor',
        'mmsegmentation/v0.5/pspnet/pspnet_r50-d8_512x512_80k_ade20k/',
        'pspnet_r50-d8_512x512_80k_ade20k_20200615_014128-15a8b914.pth',
    ),
}


@pytest.mark.parametrize('name', REAL)
def test_names_of_the_installed_metafiles(name, mirror):
    require_task_models()
    kind, folder, file = REAL[name]
    model = task_models()[name]
    assert (model.kind, model.config.name) == (kind, f'{name}.py')
    # The forks and the originals of mmdet and mmseg use different servers.
    assert model.url in [f'https://{host}/{folder}{file}' for host in ('download.openmmlab.com', 'mmassets.onedl.ai')]
    mirror.files[file] = b'another file'
    with pytest.raises(InputError, match=f'{file}: expected SHA-256 {file[-12:-4]}, found'):
        find_task_model(name)


def test_a_name_wins_over_a_file_of_the_same_name(tiny, tmp_path, monkeypatch):
    kind, _ = tiny
    monkeypatch.chdir(tmp_path)
    (tmp_path / f'tiny_{kind}').write_text('not a config')
    assert find_task_model(f'tiny_{kind}')[0].filename == str(ROOT / TASKS[kind][0])
    with pytest.raises(InputError, match=f'./tiny_{kind}'):
        find_task_model(f'./tiny_{kind}')


def test_unknown_names_list_near_matches(mirror):
    require_task_models()
    with pytest.raises(InputError, match='is an address; .*--task-weights'):
        find_task_model('https://example.org/a.pth')
    with pytest.raises(InputError, match="did you mean 'rtmdet_s_8xb32-300e_coco'"):
        find_task_model('rtmdet_s_8xb32-300e_cocoo')
    with pytest.raises(InputError, match="no segmentor is called 'street-detecter'") as error:
        find_task_model('street-detecter', kind='segmentor')
    assert "'street-detector'" not in str(error.value)  # suggestions have the required kind


@pytest.mark.parametrize('text, reason', [('[1, 2]', 'no list of models'), ('{', 'cannot be read as YAML')])
def test_a_damaged_metafile_is_named(text, reason, tmp_path, monkeypatch):
    (tmp_path / 'metafile.yml').write_text(text)
    monkeypatch.setenv('MMDERAIN_METAFILES', str(tmp_path / 'metafile.yml'))
    with pytest.raises(InputError, match=f'metafile.yml: .*{reason}'):
        task_models()
    monkeypatch.setenv('MMDERAIN_METAFILES', str(tmp_path / 'gone.yml'))
    with pytest.raises(FileNotFoundError, match='gone.yml: no such metafile'):
        task_models()
