"""Errors in a config name its file, errors of the training itself are not changed, and no code in YAML configs runs."""

import pytest
from conftest import ROOT
from mmengine.registry import MODELS, DefaultScope

from mmderain.apis import init_model
from mmderain.cli import main
from mmderain.errors import InputError
from mmderain.io.config import config_errors, read_config

DERAINER = "model = dict(type='Derainer', network=dict({}))\n"


@pytest.mark.parametrize(
    'text, reason',
    [
        ('model = dict(\n', "cannot be read as a config: SyntaxError: '(' was never closed"),
        ("custom_imports = dict(imports=['not_there'])\n", 'ImportError: Failed to import not_there'),
        ("x = __import__('not_there')\n", "ModuleNotFoundError: No module named 'not_there'"),
        ('x = 1 / 0\n', 'ZeroDivisionError: division by zero'),
        (DERAINER.format("type='SAIN'"), "no model is called 'SAIN'; did you mean 'SIAN'?"),
        (DERAINER.format("type='SIAN', chanels=4"), "SIAN takes no argument 'chanels'; did you mean 'channels'?"),
        (DERAINER.format("type='SIAN', num_stages=0"), 'SIAN: SIAN needs num_stages >= 1, found 0'),
        (DERAINER.format('channels=4'), 'must contain the key "type"'),
    ],
)
def test_errors_of_a_config_name_it(text, reason, tmp_path, capsys):
    path = tmp_path / 'net.py'
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        init_model(path)
    assert str(raised.value).startswith(str(path)) and reason in str(raised.value)
    assert '\n' not in str(raised.value) and raised.value.__cause__ is not None
    assert (
        main(['derain', str(ROOT / 'demo/street/00670.jpg'), '--model', str(path), '--out', str(tmp_path / 'out')]) == 1
    )
    assert capsys.readouterr().err == f'error: {raised.value}\n'


@pytest.mark.parametrize('name, text', [('net.json', '{'), ('net.yaml', 'a: [')])
def test_errors_in_json_and_yaml_configs_name_the_file(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f'{name}: cannot be read as a config'):
        read_config(tmp_path / name)


EVIL = '!!python/object/apply:os.system [touch ran]'
HOSTILE = {
    'tag': ({'a.yaml': f'x: {EVIL}'}, 'a.yaml: found the tag'),
    'alias of a tag': (
        {'a.yaml': '%TAG !e! tag:yaml.org,2002:python/\n---\nx: !e!object/apply:os.system [touch ran]'},
        'the tag',
    ),
    'base': ({'a.yaml': '_base_: sub/b.yml', 'sub/b.yml': f'x: {EVIL}'}, 'b.yml: found the tag'),
    'base by a merge key': ({'a.yaml': '<<: {_base_: b.yml}', 'b.yml': f'x: {EVIL}'}, 'b.yml: found the tag'),
    'base of JSON': ({'a.json': '{"_base_": ["b.yaml"]}', 'b.yaml': f'x: {EVIL}'}, 'b.yaml: found the tag'),
    'escaped name': ({'a.json': r'{"_base_": "b\u002eyaml"}', 'b.yaml': f'x: {EVIL}'}, 'b.yaml: found the tag'),
    'repeated key': ({'a.json': '{"_base_": "b.yaml", "_base_": []}', 'b.yaml': f'x: {EVIL}'}, 'b.yaml: found the tag'),
    'base by a template': ({'a.json': '{"_base_": "b{{ fileExtname }}"}', 'b.json': '{}'}, 'found a template'),
    'base by a variable': ({'a.yaml': '_base_: "{{ $NONE:b.yaml }}"', 'b.yaml': f'x: {EVIL}'}, 'found a template'),
    'tag in a template': ({'a.yaml': 'x: {{ $NONE:!!python/name:os.system }}'}, 'found a template'),
    'tag between templates': ({'a.yaml': f'# {{{{\nfileBasename }}}}: "\nz: {EVIL}\n# "'}, 'found a template'),
    'key by a template': ({'a.yaml': '"{{ $A:_base_ }}": b.yaml', 'b.yaml': f'x: {EVIL}'}, 'found a template'),
    'template in a base': (
        {'a.yaml': '_base_: b.yaml', 'b.yaml': 'x: "{{ fileBasename }}"'},
        'b.yaml: found a template',
    ),
    'broken without the template': ({'a.yaml': f'x: "{{{{ $NONE:" {EVIL} }}}}"'}, 'cannot be read as a config'),
    'base with a slash': ({'a.yaml': '_base_: b.yaml/', 'b.yaml': f'x: {EVIL}'}, 'b.yaml: found the tag'),
    'base beside no folder': ({'a.yaml': '_base_: none/../b.yaml', 'b.yaml': f'x: {EVIL}'}, 'b.yaml: found the tag'),
    'base in a package': ({'a.yaml': '_base_: mmdet::/b.yaml'}, 'can inherit only from YAML and JSON files'),
    'base in Python': ({'a.yaml': '_base_: b.py', 'b.py': 'x = 1'}, 'can inherit only from YAML and JSON files'),
    'nested too deeply': ({'a.json': '[' * 100000}, 'cannot be read as a config'),
}


@pytest.mark.parametrize('files, message', HOSTILE.values(), ids=HOSTILE)
def test_no_yaml_file_runs_code(files, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_config(next(iter(files)))
    assert not (tmp_path / 'ran').exists()


def test_plain_yaml_and_json_configs_are_read(tmp_path):
    (tmp_path / 'base.yaml').write_text('a: {b: 3, c: [1.5, text]}\n')
    (tmp_path / 'net.json').write_text('{\t"_base_": "base.yaml", "a": {"b": 4}, "d": "{x} \\ud83d\\ude00"}')
    cfg = read_config(tmp_path / 'net.json')
    assert (cfg.a.b, cfg.a.c, cfg.d) == (4, [1.5, 'text'], '{x} \U0001f600')
    (tmp_path / 'net.json').write_text('{"_base_": "gone.yaml"}')
    with pytest.raises(FileNotFoundError, match='net.json: the base .*gone.yaml does not exist'):
        read_config(tmp_path / 'net.json')


def test_files_that_are_not_configs_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone.py: no such config file'):
        read_config('gone.py')
    (tmp_path / 'net.txt').touch()
    with pytest.raises(InputError, match=r'net.txt: expected a config with the suffix \.py'):
        read_config(tmp_path / 'net.txt')


@pytest.mark.parametrize('error', [TypeError, KeyError, ValueError, RuntimeError, OSError, ImportError])
def test_errors_of_the_training_are_not_changed(error):
    with pytest.raises(error, match='of the training') as raised, config_errors('net.py'):
        raise error('of the training')
    assert type(raised.value) is error


def test_a_cuda_error_of_a_network_is_not_an_error_of_the_config():
    def network():
        raise RuntimeError('CUDA error')

    with pytest.raises(RuntimeError, match='CUDA error'), config_errors('net.py'):
        MODELS.build(dict(type=network))


@pytest.mark.parametrize(
    'kind, proposal', [('Derain', 'mmderain.Derain'), ('mmderain.SynthesiseRain', 'mmderain.SynthesizeRain')]
)
def test_error_for_an_unknown_type_proposes_the_name_with_the_prefix(kind, proposal):
    """Configs of mmdet and mmseg need the prefix of mmderain."""
    pytest.importorskip('mmdet')
    from mmdet.registry import TRANSFORMS

    import mmderain.perception  # noqa: F401  (registers Derain)

    text = f'no transform is called {kind!r}; did you mean {proposal!r}'
    with DefaultScope.overwrite_default_scope('mmdet'), pytest.raises(InputError, match=text), config_errors('my.py'):
        TRANSFORMS.build(dict(type=kind))


def test_yaml_configs_create_no_objects(tmp_path):
    marker = tmp_path / 'code_was_run'
    hostile = f'a: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ["{marker}"]]\n'
    (tmp_path / 'hostile.yml').write_text(hostile)
    (tmp_path / 'child.yaml').write_text('_base_: hostile.yml\nb: 1\n')
    (tmp_path / 'tagged.yml').write_text('%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os.system\n')
    for name, file in (('hostile.yml', 'hostile'), ('child.yaml', 'hostile'), ('tagged.yml', 'tagged')):
        with pytest.raises(InputError, match=rf'{file}.yml: found the tag .*python/.*can run code'):
            read_config(tmp_path / name)
    assert not marker.exists()
    (tmp_path / 'plain.yml').write_text('a: {b: [1, x]}\n')
    assert read_config(tmp_path / 'plain.yml').to_dict() == dict(a=dict(b=[1, 'x']))
