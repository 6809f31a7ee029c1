"""`mmderain derain` in several processes, after a kill, and after Ctrl+C."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from image_files import content, write_images

from mmderain.cli import main

COUNT = 30


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Write 30 images of three sizes in two folders, and derain them in this process."""
    folder = tmp_path_factory.mktemp('processes')
    write_images(folder / 'in', COUNT, 2)
    with one_thread():
        assert main(['derain', str(folder / 'in'), '--out', str(folder / 'one'), '--deterministic']) == 0
    assert len(content(folder / 'one')) == COUNT
    return folder


@contextlib.contextmanager
def one_thread():
    """Restore the settings that --deterministic changes."""
    cudnn = torch.backends.cudnn
    threads, deterministic, benchmark = torch.get_num_threads(), cudnn.deterministic, cudnn.benchmark
    yield
    torch.set_num_threads(threads)
    cudnn.deterministic, cudnn.benchmark = deterministic, benchmark


def start(images: Path, out: Path, *options: str) -> subprocess.Popen:
    """Start a process that derains the images."""
    words = [sys.executable, '-m', 'mmderain.cli', 'derain', str(images / 'in'), '--out', str(out), '--deterministic']
    environment = os.environ | dict(PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]))
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen([*words, *options], env=environment, **pipes)


def wait_for_lines(log: Path, number: int, process: subprocess.Popen) -> None:
    """Wait until a log has a number of lines."""
    while process.poll() is None and (not log.exists() or log.read_bytes().count(b'\n') < number):
        time.sleep(0.001)


def test_two_parts_give_the_same_files_as_one_process(images, tmp_path, capsys):
    with one_thread():
        for part in ('1/2', '2/2'):
            options = ['--out', str(tmp_path / 'out'), '--log', str(tmp_path / 'run.jsonl'), '--deterministic']
            assert main(['derain', str(images / 'in'), '--shard', part, *options]) == 0
    assert content(tmp_path / 'out') == content(images / 'one')
    numbers = [int(line.split()[2]) for line in capsys.readouterr().out.splitlines()]
    assert sum(numbers) == COUNT and min(numbers) > 5
    logs = [str(tmp_path / f'run.{part}-of-2.jsonl') for part in (1, 2)]
    assert main(['merge-logs', *logs, '--inputs', str(images / 'in')]) == 0


def test_two_processes_of_torchrun_give_the_same_files_and_finish_after_an_error(images, tmp_path):
    """The folder for a result of the second process is a file, so that this process ends with an error."""
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/1').touch()
    words = [
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--standalone',
        '--nproc-per-node',
        '2',
        '-m',
        'mmderain.cli',
    ]
    words += [
        'derain',
        images / 'in',
        '--out',
        tmp_path / 'out',
        '--log-file',
        tmp_path / 'run.jsonl',
        '--deterministic',
    ]
    environment = os.environ | dict(PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]))
    done = subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    lines = [line for part in (1, 2) for line in (tmp_path / f'run.{part}-of-2.jsonl').read_text().splitlines()]
    status = {Path(entry['input']).name: entry['status'] for entry in map(json.loads, lines)}
    assert len(status) == COUNT and list(status.values()).count('failed') == COUNT // 2
    one = content(images / 'one')
    assert {name: text for name, text in content(tmp_path / 'out').items() if name != '1'} == {
        name: text for name, text in one.items() if name.startswith('0/')
    }


def kill_and_continue(images: Path, folder: Path, seed: int) -> None:
    """Kill a process after a random number of images, and complete its work with a second call."""
    out, log = folder / 'out', folder / 'run.jsonl'
    process = start(images, out, '--log', str(log))
    rng = random.Random(seed)
    wait_for_lines(log, rng.randint(1, COUNT - 5), process)
    time.sleep(rng.random() * 0.05)
    process.kill()
    process.communicate()
    expected = content(images / 'one')
    written = {name: text for name, text in content(out).items() if not Path(name).name.startswith('.')}
    assert 0 < len(written) and written.items() <= expected.items()
    arguments = ['derain', str(images / 'in'), '--out', str(out), '--log', str(log), '--existing', 'skip']
    with one_thread():
        assert main([*arguments, '--deterministic']) == 0
    assert content(out) == expected


@pytest.mark.parametrize('seed', range(2))
def test_a_killed_run_is_completed_by_a_second_call(images, tmp_path, seed):
    kill_and_continue(images, tmp_path, seed)


def test_after_ctrl_c_all_files_are_whole_and_the_status_is_130(images, tmp_path):
    out, log = tmp_path / 'out', tmp_path / 'run.jsonl'
    process = start(images, out, '--log', str(log))
    wait_for_lines(log, 3, process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert stderr.endswith('stopped by SIGINT; to continue, run the same command with --existing skip\n')
    written = content(out)
    assert 3 <= len(written) < COUNT and written.items() <= content(images / 'one').items()
    assert stdout.startswith(f'{len(written)} inputs derained before the stop; ')
    assert log.read_text().count('"ok"') == len(written)


@pytest.mark.parametrize(
    'options, message',
    [
        (['--shard', '0/16'], "shard: found '0/16'; expected NUMBER/COUNT"),
        (
            ['--batch-size', '2', '--deterministic'],
            'batch_size=2: deterministic results need batch_size=1 (--batch-s',
        ),
        (['--shard', '17/16'], "shard: found '17/16'; expected NUMBER/COUNT from 1/COUNT to COUNT/COUNT, such as 3/16"),
        (['--log', '{folder}'], 'Is a directory'),
        (['--log', '{folder}/in/0/000.jpg'], 'in/0/000.jpg: is not a log of `mmderain derain`'),
        (['--out', '{folder}/in/0/000.jpg'], 'in/0/000.jpg: is a file; expected a folder for the results'),
        (['--out', '{folder}/in/0/000.jpg/a/b'], 'in/0/000.jpg is a file; expected a folder for the results'),
    ],
)
def test_wrong_options_are_refused(images, tmp_path, capsys, options, message):
    words = [option.format(folder=images) for option in options]
    before = content(images / 'in')
    assert main(['derain', str(images / 'in'), '--out', str(tmp_path / 'out'), *words]) == 1
    assert content(images / 'in') == before
    assert message in capsys.readouterr().err and not (tmp_path / 'out').exists()
