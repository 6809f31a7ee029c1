"""The scripts that start a training or a test under Slurm. A program named srun takes the place of Slurm."""

import os
import subprocess

import pytest
from conftest import ROOT, load_tool


@pytest.fixture
def slurm(tmp_path):
    """Return a function that runs a script, and returns its exit status and the arguments that srun got."""
    srun = tmp_path / 'bin/srun'
    srun.parent.mkdir()
    srun.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\n')
    srun.chmod(0o755)

    def run(name: str, *words: str, **variables: str) -> tuple[int, list[str]]:
        names = ('GPUS', 'GPUS_PER_NODE', 'CPUS_PER_TASK', 'SRUN_ARGS')
        environment = {key: value for key, value in os.environ.items() if key not in names} | variables
        environment['PATH'] = f'{srun.parent}:{environment["PATH"]}'
        done = subprocess.run(['bash', ROOT / f'tools/{name}', *words], env=environment, capture_output=True)
        arguments = tmp_path / 'arguments'
        return done.returncode, arguments.read_text().splitlines() if arguments.is_file() else []

    return run


@pytest.mark.parametrize(
    'variables, resources',
    [
        ({}, ['--gres=gpu:8', '--ntasks=8', '--ntasks-per-node=8', '--cpus-per-task=5']),
        (dict(GPUS='2'), ['--gres=gpu:2', '--ntasks=2', '--ntasks-per-node=2', '--cpus-per-task=5']),
        (
            dict(GPUS='16', GPUS_PER_NODE='4', CPUS_PER_TASK='3'),
            ['--gres=gpu:4', '--ntasks=16', '--ntasks-per-node=4', '--cpus-per-task=3'],
        ),
    ],
)
def test_the_test_script_starts_one_process_for_each_gpu(slurm, variables, resources):
    words = ['part', 'job', 'c.py', 'a b.pth', '--out', 'scores']
    status, arguments = slurm('slurm_test.sh', *words, SRUN_ARGS='--time 10', **variables)
    command = arguments.index('python')
    assert (status, arguments[:3]) == (0, ['-p', 'part', '--job-name=job'])
    assert arguments[3:command] == [*resources, '--kill-on-bad-exit=1', '--time', '10']
    assert arguments[command : command + 3] == ['python', '-u', str(ROOT / 'tools/test.py')]
    args = load_tool('test').parse_args(arguments[command + 3 :])
    assert (args.config, args.checkpoint, args.launcher, str(args.out)) == ('c.py', 'a b.pth', 'slurm', 'scores')


def test_the_training_script_passes_the_options(slurm):
    status, arguments = slurm('slurm_train.sh', 'part', 'job', 'c.py', '--work-dir', 'run', GPUS='1')
    command = arguments.index('python')
    args = load_tool('train').parse_args(arguments[command + 3 :])
    assert status == 0 and arguments[command + 2] == str(ROOT / 'tools/train.py') and '--ntasks=1' in arguments
    assert (args.config, args.launcher, str(args.work_dir)) == ('c.py', 'slurm', 'run')


@pytest.mark.parametrize('name, words', [('slurm_test.sh', ['part', 'job', 'c.py']), ('slurm_train.sh', ['part'])])
def test_missing_arguments_are_refused(slurm, name, words):
    assert slurm(name, *words) == (2, [])
