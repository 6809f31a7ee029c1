"""Reading configs: errors name the config, and errors of the run itself are not changed."""

import pytest
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
    assert main(['derain', 'rainy.jpg', '--model', str(path), '--out', str(tmp_path / 'out')]) == 1
    assert capsys.readouterr().err == f'error: {raised.value}\n'


@pytest.mark.parametrize('name, text', [('net.json', '{'), ('net.yaml', 'a: [')])
def test_config_formats(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f'{name}: cannot be read as a config'):
        read_config(tmp_path / name)


def test_files_that_are_not_configs_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='gone.py: no such config file'):
        read_config('gone.py')
    (tmp_path / 'net.txt').touch()
    with pytest.raises(InputError, match=r'net.txt: a config is a \.py'):
        read_config(tmp_path / 'net.txt')


@pytest.mark.parametrize('error', [TypeError, KeyError, ValueError, RuntimeError, OSError, ImportError])
def test_errors_of_the_training_are_not_changed(error):
    with pytest.raises(error, match='of the training') as raised, config_errors('net.py'):
        raise error('of the training')
    assert type(raised.value) is error


def test_too_little_memory_for_a_network_is_not_an_error_of_the_config():
    def network():
        raise RuntimeError('CUDA error')

    with pytest.raises(RuntimeError, match='CUDA error'), config_errors('net.py'):
        MODELS.build(dict(type=network))


@pytest.mark.parametrize(
    'kind, proposal', [('Derain', 'mmderain.Derain'), ('mmderain.SynthesiseRain', 'mmderain.SynthesizeRain')]
)
def test_the_name_of_an_unknown_type_is_completed(kind, proposal):
    """Configs of mmdet and mmseg need the prefix of mmderain."""
    pytest.importorskip('mmdet')
    from mmdet.registry import TRANSFORMS

    import mmderain.perception  # noqa: F401  (registers Derain)

    text = f'no transform is called {kind!r}; did you mean {proposal!r}'
    with DefaultScope.overwrite_default_scope('mmdet'), pytest.raises(InputError, match=text), config_errors('my.py'):
        TRANSFORMS.build(dict(type=kind))
