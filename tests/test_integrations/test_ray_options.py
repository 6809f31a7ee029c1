"""Numbers of actors, and the options of the command for Ray."""

import inspect
import logging
import os
import sys

import mmcv
import numpy as np
import pytest
from conftest import smooth_image

from mmderain.cli import main
from mmderain.cli.ray_engine import set_up_ray
from mmderain.errors import InputError
from mmderain.integrations.ray import derain_images
from mmderain.integrations.ray_cluster import choose_actors, connect, retry_options


@pytest.mark.parametrize(
    'resources, arguments, expected',
    [
        (dict(CPU=8), (None, 1, None), (0, 1, 8)),
        (dict(CPU=8, GPU=4), (None, 1, None), (1, 1, 4)),
        (dict(CPU=64, GPU=4), (0.5, 2, None), (0.5, 1, 8)),
        (dict(CPU=64, GPU=1), (0.1, 1, None), (0.1, 1, 10)),
        (dict(CPU=64, GPU=4), (0, 1, 3), (0, 3, 3)),
        (dict(CPU=64, GPU=4), (1, 1, (2, 4)), (1, 2, 4)),
    ],
)
def test_actors_fill_the_cluster_or_have_the_given_number(resources, arguments, expected):
    assert choose_actors(resources, *arguments) == expected


@pytest.mark.parametrize(
    'arguments, message',
    [
        (
            (2, 1, None),
            'an actor needs 2 GPUs and 1 CPUs, but the cluster has only 1 GPUs and 4 CPUs; set smaller num_gp',
        ),
        (
            (None, 8, None),
            'an actor needs 1 GPUs and 8 CPUs, but the cluster has only 1 GPUs and 4 CPUs; set smaller nu',
        ),
        ((None, 1, 0), r'concurrency: found 0; expected a number of at least 1, or \(smallest, largest\)'),
        ((None, 1, (3, 2)), r'concurrency: found \(3, 2\); expected a number of at least 1'),
        ((-1, 1, None), 'found num_gpus=-1 and num_cpus=1; expected positive numbers'),
    ],
)
def test_wrong_numbers_of_actors_are_refused(arguments, message):
    with pytest.raises(InputError, match=f'^{message}'):
        choose_actors(dict(CPU=4, GPU=1), *arguments)


def test_the_limit_of_retries_is_given_to_ray_if_it_accepts_it():
    def old(fn, **ray_remote_args): ...

    def new(fn, resources=None): ...

    assert retry_options(old, 3) == dict(max_restarts=-1, max_task_retries=3)
    assert retry_options(new, 3) == {}
    data = pytest.importorskip('ray.data', reason='needs the extra [ray]')
    assert inspect.signature(data.Dataset.map_batches)


@pytest.mark.parametrize(
    'options, message',
    [
        (['--actors', '2'], '--actors: needs --engine ray'),
        (['--gpus-per-actor', '0.5'], '--gpus-per-actor: needs --engine ray'),
        (['--engine', 'ray', '--shard', '1/2'], '--shard: has no effect with --engine ray; leave it out'),
        (['--engine', 'ray', '--share-segments'], '--share-segments: has no effect with --engine ray; leave it out'),
        (['--engine', 'ray', '--compile'], '--compile: has no effect with --engine ray; leave it out'),
        (['--engine', 'ray', '--prepare'], '--prepare: has no effect with --engine ray; leave it out'),
        (['--engine', 'ray', '--device', 'cpu'], '--device: has no effect with --engine ray; leave it out'),
    ],
)
def test_options_that_do_not_fit_the_engine_are_refused(options, message, tmp_path, capsys):
    mmcv.imwrite(smooth_image(8, 8), str(tmp_path / 'a.png'))
    assert main(['derain', str(tmp_path / 'a.png'), '--out', str(tmp_path / 'out'), *options]) == 1
    assert capsys.readouterr().err == f'error: {message}\n'


def test_the_command_hides_the_messages_of_ray_and_keeps_the_variables_of_the_user(monkeypatch):
    pytest.importorskip('ray.data', reason='needs the extra [ray]')
    shown = logging.StreamHandler()
    kept = logging.FileHandler(os.devnull)
    monkeypatch.setattr(logging.getLogger('ray.data'), 'handlers', [shown, kept])
    monkeypatch.setenv('RAY_USAGE_STATS_ENABLED', '1')
    monkeypatch.setenv('RAY_ENABLE_UV_RUN_RUNTIME_ENV', '')  # so that it is restored after the test
    monkeypatch.delenv('RAY_ENABLE_UV_RUN_RUNTIME_ENV')
    set_up_ray()
    assert (shown.level, kept.level) == (logging.ERROR, logging.NOTSET)
    assert (os.environ['RAY_USAGE_STATS_ENABLED'], os.environ['RAY_ENABLE_UV_RUN_RUNTIME_ENV']) == ('1', '0')


def test_ray_starts_without_its_dashboard_and_its_messages(monkeypatch):
    ray = pytest.importorskip('ray', reason='needs the extra [ray]')
    calls = []
    monkeypatch.setattr(ray, 'is_initialized', lambda: bool(calls))
    monkeypatch.setattr(ray, 'init', lambda **options: calls.append(options))
    assert connect() is connect() is ray
    assert calls == [dict(include_dashboard=False, logging_level=logging.ERROR)]


@pytest.mark.parametrize('address', [None, 'nonsense'])
def test_an_error_of_ray_becomes_one_line(monkeypatch, address):
    ray = pytest.importorskip('ray', reason='needs the extra [ray]')

    def init(**_):
        raise ValueError('Invalid address\nformat')

    monkeypatch.setattr(ray, 'init', init)
    monkeypatch.setattr(ray, 'is_initialized', lambda: False)
    if address is None:
        monkeypatch.delenv('RAY_ADDRESS', raising=False)
        expected = 'Ray cannot start on this machine (ValueError: Invalid address)'
    else:
        monkeypatch.setenv('RAY_ADDRESS', address)
        expected = 'Ray cannot connect to the cluster at RAY_ADDRESS=nonsense (ValueError: Invalid address)'
    with pytest.raises(InputError) as caught:
        connect()
    assert str(caught.value) == expected


@pytest.mark.parametrize('text', ['0', '2:1', '0:2', 'x', '2:', '-1', '1.5'])
def test_wrong_numbers_of_actors_are_refused_before_ray_starts(text, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(['derain', str(tmp_path), '--out', str(tmp_path / 'out'), '--engine', 'ray', f'--actors={text}'])
    expected = (
        'argument --actors: expected a number from 1, or the smallest and the largest number, such as 2:16, found'
    )
    assert f'{expected} {text!r}' in capsys.readouterr().err


def test_ray_refuses_to_run_in_several_processes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('RANK', '0')
    monkeypatch.setenv('WORLD_SIZE', '2')
    assert main(['derain', str(tmp_path), '--out', str(tmp_path / 'out'), '--engine', 'ray']) == 1
    expected = 'error: --engine ray: divides the inputs itself; start it once, without torchrun and srun\n'
    assert capsys.readouterr().err == expected


def test_the_missing_library_is_named(tmp_path, capsys, monkeypatch):
    mmcv.imwrite(smooth_image(8, 8), str(tmp_path / 'a.png'))
    monkeypatch.setitem(sys.modules, 'ray', None)
    assert main(['derain', str(tmp_path / 'a.png'), '--out', str(tmp_path / 'out'), '--engine', 'ray']) == 1
    assert capsys.readouterr().err == (
        'error: Ray is not installed (import of ray halted; None in sys.modules); run `pip install "mmderain[ray]"`\n'
    )


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(batch_size=2, deterministic=True), 'batch_size=2: deterministic results need batch_size=1'),
        (dict(source=[np.zeros((8, 8, 3), np.uint8)]), 'source: found an array or a tensor; expected paths or URLs'),
        (dict(model='nafnt'), "no model is called 'nafnt'; did you mean"),
    ],
)
def test_wrong_arguments_are_refused_before_ray_starts(options, message, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    mmcv.imwrite(smooth_image(8, 8), str(tmp_path / 'a.png'))
    with pytest.raises(InputError) as caught:
        derain_images(**dict(source=tmp_path / 'a.png', destination=tmp_path / 'out') | options)
    assert str(caught.value).startswith(message)
