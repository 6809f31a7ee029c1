"""All steps of the queue for a GPU are run on the CPU with tiny settings."""

import json
import shlex
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT, load_tool
from snippets import check

from mmderain.engine.compact_state import compact_checkpoint
from mmderain.io import read_checkpoint

TINY = """
_base_ = ['{root}/configs/derain/sian_sample.py']
model = dict(network=dict(channels=4, num_stages=2))
train_cfg = dict(max_iters=3, val_interval=100)
train_dataloader = dict(
    batch_size=1, num_workers=0, persistent_workers=False, dataset=dict(data_root='{root}/demo/sample/train')
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root='{root}/demo/sample/test'))
"""


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Set environment variables for a tiny queue.

    Its only config is tiny.py. TESTS names a file that does not exist, so that the step of the tests fails.
    """
    (tmp_path / 'tiny.py').write_text(TINY.format(root=ROOT))
    settings = dict(
        DEVICE='cpu',
        OUT=str(tmp_path / 'out'),
        EARLIER=str(tmp_path / 'earlier'),
        TESTS='tests/missing.py',
        ATTENTION_ARGS='--sizes 2x2 --window 3 --repeats 1',
        CONFIGS=str(tmp_path / 'tiny.py'),
        PATHS='eager',
        BENCHMARK_ARGS='--sizes 16x24 --repeats 1 --no-memory',
        TRAINING_ARGS='--sizes 16x24 --repeats 1',
        PIPELINE_ARGS='--models nafnet --sizes 16x24 --batch-sizes 2 --workers 1 --seconds 1 --rounds 1 --no-processes',
        RECIPES=str(tmp_path / 'tiny.py'),
        RECIPE_ARGS='',
        RECIPE_WORK_DIR=str(tmp_path / 'work'),
        PYTHON=sys.executable,
        OMP_NUM_THREADS='1',
    )
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def queue(*arguments):
    return subprocess.run(['bash', ROOT / 'tools/dev/gpu_queue.sh', *arguments], capture_output=True, text=True)


def leave_state_of_another_machine(tmp_path):
    """Write the state.pth that another machine leaves after two steps of the recipe."""
    arguments = [str(tmp_path / 'tiny.py'), '--work-dir', str(tmp_path / 'there'), '--cfg-options']
    assert load_tool('train').main([*arguments, 'train_cfg.max_iters=2']) == 0
    state = compact_checkpoint(read_checkpoint(tmp_path / 'there/iter_2.pth'), 2**20)
    (tmp_path / 'earlier/recipe-tiny').mkdir(parents=True)
    torch.save(state, tmp_path / 'earlier/recipe-tiny/state.pth')


def test_every_step_runs_on_the_cpu(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('RECIPE_ARGS', '--resume-with-config')  # the other machine was to train fewer steps
    leave_state_of_another_machine(tmp_path)
    capsys.readouterr()
    done = queue('run')
    lines = done.stdout.splitlines()
    out = tmp_path / 'out'
    logs = {path.parent.name: path.read_text() for path in out.glob('*/log.txt')}
    # A failed step does not stop the later steps.
    assert done.returncode == 1, done.stdout + done.stderr
    assert lines[1].startswith('tests: failed: exit code 4: ERROR: file or directory not found: tests/missing.py')
    assert {path.name for path in (out / 'tests').iterdir()} == {'log.txt', 'failed'}
    left = dict(check=[], attention=['attention.json'])
    left |= {'benchmark-tiny': ['eager.json'], 'training': ['tiny.json']}
    left |= {'pipeline': ['pipeline.json'], 'recipe-tiny': ['state.pth']}
    for (step, files), line in zip(left.items(), [lines[0], *lines[2:]], strict=True):
        assert line.startswith(f'{step}: done: 20'), (line, logs[step][-3000:])
        assert {path.name for path in (out / step).iterdir()} == {'log.txt', 'done', *files}

    assert 'torch ' in logs['check']
    forward, backward = json.loads((out / 'attention/attention.json').read_text())['rows']
    assert (forward['passes'], backward['passes']) == ('forward', 'forward_and_backward') and forward['loop_ms'] > 0
    assert forward['largest_difference'] < 1e-5 and backward['largest_difference'] < 1e-5
    (row,) = json.loads((out / 'benchmark-tiny/eager.json').read_text())['rows']
    assert (row['config'], row['size'], row['path'], row['psnr']) == ('tiny', '16x24', 'eager', None)
    (row,) = json.loads((out / 'training/tiny.json').read_text())['rows']
    assert row['of'] == 'training step'
    cases = json.loads((out / 'pipeline/pipeline.json').read_text())['cases']
    assert [(case['size'], case['format']) for case in cases] == [('16x24', 'png'), ('16x24', 'jpg')]
    # The training continued after the last step of the other machine.
    assert 'resumed epoch: 0, iter: 2' in logs['recipe-tiny']
    assert logs['recipe-tiny'].splitlines()[-1] == 'epoch 0, iteration 3'
    assert read_checkpoint(out / 'recipe-tiny/state.pth')['meta']['iter'] == 3

    # If the results of the first run are in EARLIER, a second machine runs only the steps that are not done.
    monkeypatch.setenv('OUT', str(tmp_path / 'second'))
    monkeypatch.setenv('EARLIER', str(out))
    monkeypatch.setenv('TESTS', '--version')
    tool = load_tool('dev/gpu_queue')
    monkeypatch.setattr(tool, 'THIS', ['echo', 'device'])  # replaces the program that prints the device
    assert tool.main(['run']) == 0 and [path.name for path in (tmp_path / 'second').iterdir()] == ['tests']
    names = ['check', 'tests', *list(left)[1:]]
    assert [line.partition(': done: 20')[0] for line in capsys.readouterr().out.splitlines()] == names


def test_list_names_every_step(capsys):
    """With the default settings, every command is valid for its tool."""
    tool = load_tool('dev/gpu_queue')
    assert tool.main(['list']) == 0
    names = ['check', 'tests', 'attention', *(f'benchmark-{name}' for name in ('sian', 'jdnet', 'nasnet', 'mafnet'))]
    names += [
        'benchmark-nafnet_photographs',
        'training',
        'pipeline',
        'recipe-nafnet_photographs',
        'recipe-mafnet_photographs',
    ]
    listed = capsys.readouterr().out
    assert [name for name in names if f' {name}' not in listed] == []
    commands = [shlex.split(line) for line in listed.splitlines() if line.startswith('     ')]
    assert len(commands) == 3 + 5 * 3 + 5 + 1 + 5
    for executable, *words in commands:
        assert executable == sys.executable
        if words[0] != '-m':
            check(['python', *words])
    assert all((ROOT / path).is_file() for path in tool.setting('TESTS').split())
    assert all((ROOT / path).is_file() for path in (tool.setting('CONFIGS') + ' ' + tool.setting('RECIPES')).split())


def test_status_shows_time_limits_and_exit_codes(settings, tmp_path, monkeypatch, capsys):
    tool = load_tool('dev/gpu_queue')
    steps = [
        tool.Step('slow', '', dict(slow=['bash', '-c', 'echo began; sleep 60'], late=['echo', 'never'])),
        tool.Step('wrong', '', dict(first=['bash', '-c', 'echo no such thing; exit 3'], second=['echo', 'still run'])),
        tool.Step('part', '', dict(part=['bash', '-c', f'echo iteration 7; exit {tool.PART_DONE}'])),
        tool.Step('right', '', dict(right=['echo', 'well'])),
    ]
    monkeypatch.setattr(tool, 'all_steps', lambda: iter(steps))
    monkeypatch.setattr(tool, 'THIS', ['echo', 'device'])  # replaces the program that prints the device
    monkeypatch.setenv('LIMIT', '0.5')
    began = time.monotonic()
    assert tool.main(['run']) == 1
    assert time.monotonic() - began < 30
    assert tool.main(['status']) == 0
    status = capsys.readouterr().out.splitlines()[-4:]
    assert status[0].startswith(' 1 slow: failed: exit code 124 (time is up): began')
    assert status[1:3] == [' 2 wrong: failed: exit code 3: still run', ' 3 part: part: iteration 7']
    assert status[3].startswith(' 4 right: done: 20')
    assert tool.main(['run', 'part', 'right']) == 0
    assert tool.main(['run', 'rigth']) == 1
    assert 'no step rigth; the steps are slow, wrong, part, right' in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs a machine without a GPU')
def test_queue_stops_without_a_gpu(settings, tmp_path, monkeypatch):
    monkeypatch.setenv('DEVICE', 'cuda')
    done = queue('run', 'tests')
    assert done.returncode == 1 and 'torch finds no GPU' in done.stderr and not (tmp_path / 'out').exists()


def test_a_recipe_is_trained_in_parts(settings, tmp_path, monkeypatch, capsys):
    """At the time limit, the last checkpoint is the result of a training. Without a checkpoint, the training fails."""
    tool = load_tool('dev/gpu_queue')
    folder = tmp_path / 'work/tiny'

    def train_until_killed(command, seconds):
        assert command[-4:] == [str(tmp_path / 'tiny.py'), '--work-dir', str(folder), '--resume'] and seconds == 480
        folder.mkdir(parents=True, exist_ok=True)
        weights = dict(state_dict={'network.w': torch.rand(4_000_000)}, meta=dict(epoch=0, iter=200))
        torch.save(weights, folder / 'iter_200.pth')
        (folder / 'last_checkpoint').write_text(str(folder / 'iter_200.pth'))
        return tool.TIMED_OUT

    monkeypatch.setattr(tool, 'run_limited', train_until_killed)
    assert tool.main(['recipe', str(tmp_path / 'tiny.py')]) == tool.PART_DONE
    assert capsys.readouterr().out == 'epoch 0, iteration 200\n'
    state = tmp_path / 'out/recipe-tiny/state.pth'
    assert state.stat().st_size < 9e6 and read_checkpoint(state)['meta']['iter'] == 200
    assert (folder / 'iter_200.pth').stat().st_size > 15e6
    assert tool.main(['recipe', str(tmp_path / 'tiny.py')]) == tool.TIMED_OUT  # no newer checkpoint
    assert 'set a smaller default_hooks.checkpoint.interval' in capsys.readouterr().out
