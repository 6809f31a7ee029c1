"""Runs in several processes: what they refuse, and what happens when torchrun has already ended."""

import argparse
import socket
import threading
from datetime import timedelta

import pytest
import torch

from mmderain.apis.shards import Placement, Shard
from mmderain.cli import main
from mmderain.cli.launchers import WHOLE_RUN_OPTIONS, require_single_process, wait_for_other_processes
from mmderain.errors import InputError

KINDS = {'--live': ['0', '--live'], 'numbered images': ['frames/%05d.png', '--out', 'out']}


@pytest.mark.parametrize('kind, words', KINDS.items())
def test_several_processes_do_not_write_the_same_result(kind, words, capsys, monkeypatch):
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv('WORLD_SIZE', '2')
    assert main(['derain', *words]) == 1
    assert capsys.readouterr().err == (
        f'error: {kind}: found several processes (RANK=1, WORLD_SIZE=2), which would all do the same; start one '
        'process, or unset these environment variables\n'
    )


@pytest.mark.parametrize('kind, words', KINDS.items())
@pytest.mark.parametrize(
    'option',
    [
        *(['--shard', '1/2'], ['--share-segments'], ['--log', 'a.jsonl'], ['--deterministic'], ['--engine', 'ray']),
        ['--gpus-per-actor', '1'],
    ],
)
def test_options_for_many_inputs_are_refused(kind, words, option, capsys):
    assert main(['derain', *words, *option]) == 1
    assert capsys.readouterr().err == f'error: {option[0]}: has no effect on {kind}; leave {option[0]} out\n'


def test_a_single_process_is_accepted():
    args = argparse.Namespace(**WHOLE_RUN_OPTIONS)
    require_single_process(args, None, '--live')
    with pytest.raises(InputError, match=r'^--live: found several processes \(somewhere\), which'):
        require_single_process(
            argparse.Namespace(**WHOLE_RUN_OPTIONS), Placement(Shard(0, 2), 0, 'somewhere'), '--live'
        )


@pytest.fixture
def store(monkeypatch):
    """Return a store like the store of torchrun, and set the environment variables with its address."""
    store = torch.distributed.TCPStore('127.0.0.1', 0, is_master=True, wait_for_workers=False)
    for name, value in dict(
        TORCHELASTIC_USE_AGENT_STORE='True', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(store.port), WORLD_SIZE='2'
    ).items():
        monkeypatch.setenv(name, value)
    return store


def test_a_process_with_an_error_waits_for_the_others(store, capsys):
    waiting = threading.Thread(target=wait_for_other_processes, args=(True,))
    waiting.start()
    while store.add('mmderain/finished/0', 0) == 0:
        assert waiting.is_alive()
    assert waiting.is_alive()
    wait_for_other_processes(is_error=False)
    waiting.join(20)
    assert not waiting.is_alive() and capsys.readouterr().err == ''


@pytest.mark.parametrize('is_error', [False, True])
def test_a_closed_store_gives_a_note_and_no_error(is_error, store, capsys, monkeypatch):
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        monkeypatch.setenv('MASTER_PORT', str(unused.getsockname()[1]))
    wait_for_other_processes(is_error, timedelta(seconds=1))
    assert capsys.readouterr().err.endswith(
        'note: torchrun has already ended on another node; this process has finished its part\n'
    )


def test_an_error_before_the_first_image_is_reported_to_the_other_processes(store, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('RANK', '0')
    store.add('mmderain/finished/0', 1)  # the other process has finished
    assert main(['derain', str(tmp_path / 'missing.png'), '--out', str(tmp_path / 'out')]) == 1
    assert capsys.readouterr().err.startswith(f'error: {tmp_path}/missing.png: no such')
    assert store.add('mmderain/finished/0', 0) == 2
