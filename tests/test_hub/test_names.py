"""Derainers by name: published weights are downloaded from a mirror, checked, converted and kept."""

import hashlib
import json

import numpy as np
import pytest
import torch
from conftest import ROOT, load_tool, require_task_models, shared
from file_server import file_of
from golden import authors_keys, fill
from safetensors.torch import load_file

from mmderain import cli
from mmderain.apis import DerainInferencer, trained_derainer
from mmderain.errors import InputError
from mmderain.hub import find_derainer, named_models
from mmderain.hub import index as model_index
from mmderain.hub.convert import convert
from mmderain.hub.published import converted_weights
from mmderain.io import read_image, write_image
from mmderain.io.cache import trusts_unhashed
from mmderain.models import Derainer
from mmderain.registry import TRANSFORMS


@pytest.fixture
def authors(mirror, tmp_path, monkeypatch):
    """Put weights in the format of SIAN's authors on the mirror, and list them in an index as ``sian_rain100l``."""
    weights = fill(authors_keys('sian'), 1)
    mirror.files['rain100l.pth'] = file_of(weights)
    entry = dict(
        kind='derainer',
        config='derain/sian_rain100l.py',
        url='https://example.invalid/rain100l.pth',
        sha256=hashlib.sha256(mirror.files['rain100l.pth']).hexdigest(),
        format='sian',
        source='the authors',
        license='none',
        about='SIAN',
    )
    (tmp_path / 'index.json').write_text(json.dumps(dict(sian_rain100l=entry)))
    monkeypatch.setattr(model_index, 'WEIGHTS', tmp_path)
    return weights


# --- derainers -----------------------------------------------------------------------------------


def test_published_weights_are_downloaded_and_converted_once(authors, mirror, capsys, monkeypatch):
    config, path = find_derainer('sian_rain100l')
    assert config.model.network.channels == 32 and path == converted_weights('sian_rain100l')
    assert capsys.readouterr().err.endswith('/rain100l.pth\nsian_rain100l: weights from the authors; license: none\n')
    expected = convert('sian', authors)
    stored = load_file(path)
    assert set(stored) == {f'network.{key}' for key in expected}
    assert all(torch.equal(stored[f'network.{key}'], value) for key, value in expected.items())
    monkeypatch.setenv('MMDERAIN_OFFLINE', '1')
    model = trained_derainer('sian_rain100l')
    assert torch.equal(model.network.embed.weight, authors['body.tran_conv.weight'])
    assert mirror.requests == [('/ok/rain100l.pth', None)] and capsys.readouterr().err == ''


def test_the_inferencer_and_the_commands_accept_the_name(authors, tmp_path):
    rainy = read_image(ROOT / 'demo/street/00670.jpg')[:48, :64]
    write_image(rainy, tmp_path / 'a.png')
    arguments = ['derain', str(tmp_path / 'a.png'), '--model', 'sian_rain100l', '--out', str(tmp_path / 'out')]
    assert cli.main([*arguments, '--precision', 'fp32']) == 0
    prediction = DerainInferencer('sian_rain100l', precision='fp32')(rainy).predictions[0]
    assert np.array_equal(read_image(tmp_path / 'out/a.png'), prediction)
    transform = TRANSFORMS.build(dict(type='mmderain.Derain', derainer='sian_rain100l'))
    assert np.array_equal(transform(dict(img=rainy))['img'], prediction)


def test_weights_of_a_newer_version_replace_converted_weights(authors, mirror, tmp_path):
    find_derainer('sian_rain100l')
    weights = fill(authors_keys('sian'), 2)
    mirror.files['rain100l.pth'] = file_of(weights)
    entries = json.loads((tmp_path / 'index.json').read_text())
    entries['sian_rain100l'] |= dict(
        url='https://example.invalid/v2/rain100l.pth', sha256=hashlib.sha256(mirror.files['rain100l.pth']).hexdigest()
    )
    (tmp_path / 'index.json').write_text(json.dumps(entries))
    path = find_derainer('sian_rain100l')[1]
    assert torch.equal(load_file(path)['network.embed.weight'], weights['body.tran_conv.weight'])


def test_weights_that_do_not_fit_are_refused(authors, mirror, tmp_path):
    del authors['body.tran_conv.weight']
    mirror.files['rain100l.pth'] = file_of(authors)
    entries = json.loads((tmp_path / 'index.json').read_text())
    entries['sian_rain100l']['sha256'] = hashlib.sha256(mirror.files['rain100l.pth']).hexdigest()
    (tmp_path / 'index.json').write_text(json.dumps(entries))
    with pytest.raises(InputError, match='rain100l.pth is not a checkpoint of sian from .*\nmissing key'):
        find_derainer('sian_rain100l')
    assert not converted_weights('sian_rain100l').exists()


def test_a_name_wins_over_a_file_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'sian').write_text('not a config')
    assert find_derainer('sian')[1].name == 'sian_compact.pth'
    for path in ('./sian', 'sian.py'):
        with pytest.raises((FileNotFoundError, InputError), match='sian'):
            find_derainer(path)


def test_an_unknown_name_lists_near_matches():
    message = "'sian_rain100x'; did you mean 'sian_rain1400' or 'sian_rain100l' or 'sian_rain100h'"
    with pytest.raises(InputError, match=message):
        find_derainer('sian_rain100x')


def test_near_matches_ignore_case_and_a_detector_is_named_as_one():
    with pytest.raises(InputError, match="'SIAN_Rain100H'; did you mean 'sian_rain100h' or"):
        find_derainer('SIAN_Rain100H')
    require_task_models()
    with pytest.raises(InputError, match='rtmdet_s_8xb32-300e_coco: is a detector; expected a derainer'):
        find_derainer('rtmdet_s_8xb32-300e_coco')


def test_weights_without_a_fixed_address_say_where_they_are():
    message = 'Get the file from the authors of JDNet, https://github.com/Ohraincu/JDNet, and run `mmderain convert'
    with pytest.raises(InputError, match=message):
        find_derainer('jdnet_rain200h')


@pytest.mark.parametrize('address', ['https://example.org/a.pth', 'hf://owner/repository/a.pth'])
def test_an_address_is_not_a_model(address):
    with pytest.raises(InputError, match=f'{address}: is an address; .*--weights'):
        find_derainer(address)
    with pytest.raises(InputError, match='ftp://a/b.pth: addresses of this type are not supported'):
        find_derainer('sian', 'ftp://a/b.pth')


@pytest.mark.parametrize('name', ['rain100h', 'rain100l', 'rain1400'])
def test_the_index_names_the_files_of_the_authors(name, mirror):
    """The file of the authors has the published hash, and its weights fit the config."""
    entry = named_models()[f'sian_{name}']
    assert entry.url.endswith(f'/7efca61767f454e7ef9d4c562520b874aacce9ac/pretrained_models/{name}.pth')
    mirror.files[f'{name}.pth'] = shared(f'weights/sian_official/{name}.pth').read_bytes()
    assert sum(p.numel() for p in trained_derainer(f'sian_{name}').network.parameters()) == 491939
    assert mirror.requests == [(f'/ok/{name}.pth', None)]


def test_every_entry_of_the_index_is_complete():
    for entry in named_models().values():
        assert entry.about and entry.source and entry.license
        assert entry.file is None or entry.url is None
        assert (entry.config is None) == (entry.format == 'spandrel')
        assert entry.config is None or (ROOT / 'configs' / entry.config).is_file()
        # The entries without a hash. Their files have not been seen.
        assert len(entry.sha256 or '') == (0 if entry.name in ('restormer', 'jdnet_rain200h', 'jdnet_rain200l') else 64)


def test_the_model_zoo_shows_the_index():
    tool = load_tool('dev/model_zoo')
    text = tool.PAGE.read_text(encoding='utf-8')
    assert text == tool.page(text), 'run python tools/dev/model_zoo.py'
    assert '| `sian_rain100l` | the authors of SIAN' in text and 'PSNR-Y 38.80' in text


# --- mmderain cache ------------------------------------------------------------------------------


def test_the_cache_is_listed_and_cleared(authors, capsys):
    find_derainer('sian_rain100l')
    capsys.readouterr()
    assert cli.main(['cache', 'list']) == 0
    out = capsys.readouterr().out
    assert 'rain100l.pth  https://example.invalid/rain100l.pth' in out and 'sian_rain100l.safetensors' in out
    assert cli.main(['cache', 'clear', '.safetensors']) == 0
    assert capsys.readouterr().out.endswith('number of deleted files: 1\n')
    assert cli.main(['cache', 'clear']) == 0
    assert cli.main(['cache', 'list']) == 0
    assert capsys.readouterr().out.count('\n') == 3


# --- torch.hub -----------------------------------------------------------------------------------


def test_torch_hub_loads_a_derainer_by_name(authors):
    model = torch.hub.load(str(ROOT), 'sian_rain100l', source='local', device='cpu')
    assert torch.equal(model.network.embed.weight, authors['body.tran_conv.weight'])
    with pytest.raises(RuntimeError, match='Cannot find callable street-detector in hubconf'):
        torch.hub.load(str(ROOT), 'street-detector', source='local')


def test_trust_unhashed_is_valid_for_one_command(mirror, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('MMDERAIN_TRUST_UNHASHED', '0')
    mirror.files['mine.pth'] = file_of(fill(authors_keys('sian'), 1))
    arguments = ['convert', 'sian', mirror.url('ok', 'mine.pth'), str(tmp_path / 'out.pth')]
    assert cli.main(arguments) == 1
    assert 'accept the file as it is with --trust-unhashed' in capsys.readouterr().err
    assert not (tmp_path / 'out.pth').exists()
    assert cli.main([*arguments, '--trust-unhashed']) == 0
    assert (tmp_path / 'out.pth').is_file() and not trusts_unhashed()


# --- folders of models ---------------------------------------------------------------------------


def test_a_saved_derainer_is_loaded_from_its_folder(tmp_path, monkeypatch):
    model = Derainer.from_pretrained('sian')
    assert model.save_pretrained(tmp_path / 'mine') == tmp_path / 'mine'
    assert sorted(path.name for path in (tmp_path / 'mine').iterdir()) == [
        'README.md',
        'config.py',
        'model.safetensors',
    ]
    assert 'It has 277,371 parameters' in (tmp_path / 'mine/README.md').read_text()
    x = torch.rand(1, 3, 24, 32)
    monkeypatch.chdir(tmp_path)
    for name in ('mine', './mine', tmp_path / 'mine'):
        assert torch.equal(Derainer.from_pretrained(name).restore(x), model.restore(x))
    with pytest.raises(InputError, match='mine: already exists and is not an empty folder'):
        model.save_pretrained(tmp_path / 'mine')
    with pytest.raises(InputError, match='the derainer has no config'):
        Derainer(dict(type='SIAN', channels=4)).save_pretrained(tmp_path / 'other')
    with pytest.raises((FileNotFoundError, InputError), match='empty: found no config.py; expected a config'):
        (tmp_path / 'empty').mkdir()
        Derainer.from_pretrained('./empty')
