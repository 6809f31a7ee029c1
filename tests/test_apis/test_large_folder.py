"""A folder of 300 images: several processes and Ray give the files of one process, and kills change nothing."""

import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import ROOT
from image_files import content, write_images

from mmderain.cli import main

pytestmark = pytest.mark.soak
COUNT = 300
KILLS = 20
PYTHON = [sys.executable, '-m']
TORCHRUN = [*PYTHON, 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', '-m']


def environment() -> dict[str, str]:
    """Return the environment variables of the programs: Ray starts a cluster of its own, and writes no token."""
    variables = {name: text for name, text in os.environ.items() if not name.startswith('RAY_')}
    variables |= dict(PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]))
    return variables | dict(RAY_AUTH_TOKEN=secrets.token_hex(32))


def derain(folder: Path, out: str, *options: str, start: list[str] = PYTHON) -> list[str]:
    """Return the command that derains the images in ``folder/in``."""
    return [*start, 'mmderain.cli', 'derain', f'{folder}/in', '--out', f'{folder}/{out}', '--deterministic', *options]


def run(command: list[str], **variables: str) -> str:
    """Run a program until it ends, and return its standard output."""
    done = subprocess.run(command, env=environment() | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Write the images in three sizes and two formats, and derain them in one process."""
    folder = tmp_path_factory.mktemp('large')
    write_images(folder / 'in', COUNT, 7)
    run(derain(folder, 'one'))
    files = content(folder / 'one')
    assert len(files) == COUNT
    return folder, files


def test_torchrun_parts_and_ray_give_the_files_of_one_process(images):
    folder, expected = images
    run(derain(folder, 'torchrun', start=TORCHRUN))
    for part in ('1/2', '2/2'):
        run(derain(folder, 'parts', '--shard', part))
    engines = ['torchrun', 'parts']
    try:
        import ray.data  # noqa: F401
    except ImportError:
        print('Ray is not tested, because the extra [ray] is not installed')
    else:
        with tempfile.TemporaryDirectory(prefix='ray_', dir='/tmp') as temporary:  # the paths of sockets must be short
            run(derain(folder, 'ray', '--engine', 'ray', '--actors', '2'), RAY_TMPDIR=temporary)
        engines.append('ray')
    for name in engines:
        found = content(folder / name)
        same = sum(found.get(path) == file for path, file in expected.items())
        print(f'{name}: {same} of {COUNT} files are bit-identical to those of one process, {len(found)} files in all')
        assert found == expected


def test_twenty_of_twenty_killed_runs_are_completed_by_a_second_call(images, capsys):
    folder, expected = images
    rng, found = random.Random(0), []
    for number in range(KILLS):
        log = folder / f'{number}.jsonl'
        process = subprocess.Popen(
            derain(folder, f'{number}', '--log', str(log)), env=environment(), stdout=subprocess.DEVNULL
        )
        # A time in seconds would hit the start or the end of most runs, because the load of the machine changes.
        lines = rng.randrange(COUNT)
        while process.poll() is None and (not log.exists() or log.read_bytes().count(b'\n') < lines):
            time.sleep(0.001)
        time.sleep(0.05 * rng.random())
        process.kill()
        assert process.wait() == -signal.SIGKILL
        left = content(folder / f'{number}')
        written = {path: file for path, file in left.items() if not is_temporary(path)}
        assert written.items() <= expected.items()
        run(derain(folder, f'{number}', '--log', str(log), '--existing', 'skip'))
        assert content(folder / f'{number}') == expected
        assert main(['merge-logs', str(log), '--inputs', f'{folder}/in']) == 0
        merged = capsys.readouterr().out
        assert merged == f'{COUNT} of {COUNT} inputs are complete, 0 failed, 0 are missing\n'
        found.append(
            f'kill {number + 1:2}: {len(written):3} complete files, {len(left) - len(written)} temporary; completed'
        )
    print(*found, sep='\n')


def is_temporary(path: str) -> bool:
    """Return whether a file is one that is being written. Its name begins with a dot."""
    return Path(path).name.startswith('.')
