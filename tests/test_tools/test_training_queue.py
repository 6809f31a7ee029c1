"""A queue that was killed gives the weights of an uninterrupted run, and its state can be moved to another machine."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import mmcv
import pytest
import torch
from conftest import ROOT, load_tool, smooth_image
from mmengine.config import Config

from mmderain.io import read_checkpoint

STEPS = 10
LOWER_SESSION_PRIORITY = load_tool('dev/training_queue').lower_session_priority  # a fixture replaces it
CONFIG = """
_base_ = {base!r}
model = dict(network=dict(width=4, encoder_blocks=(1,), middle_blocks=1, decoder_blocks=(1,)))
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(data_root={train!r}))
test_dataloader = dict(dataset=dict(data_root={test!r}, indices=1))
val_dataloader = test_dataloader
train_cfg = dict(max_iters={steps}, val_interval={steps})
param_scheduler = [dict(type='CosineAnnealingLR', T_max={steps}, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=1, by_epoch=False), logger=dict(interval=1))
"""


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait until a condition holds, at most two minutes."""
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


class Queue:
    """Queue of small recipes in its own folder, used through its commands."""

    created: list['Queue'] = []

    def __init__(self, root, steps: int, names=('a',)):
        self.root, self.steps = root, steps
        self.created.append(self)
        self.tool = load_tool('dev/training_queue')
        (root / 'configs').mkdir(parents=True)
        (root / 'queue.yml').write_text(''.join(f'- {name}\n' for name in names))
        text = CONFIG.format(
            base=str(ROOT / 'configs/derain/nafnet_photographs.py'),
            train=str(ROOT / 'demo/sample/train'),
            test=str(ROOT / 'demo/sample/test'),
            steps=steps,
        )
        for name in names:
            (root / f'configs/{name}.py').write_text(text)
        self.options = [f'--recipes={root}/queue.yml', f'--configs={root}/configs', f'--work-dir={root}/work']
        self.options += [f'--state-dir={root}/state', '--jobs=1', '--amp=off']
        self.paths = (root / 'queue.yml', root / 'configs', root / 'work', root / 'state')

    def call(self, command: str) -> int:
        """Run a command; return its exit code."""
        return self.tool.main([command, *self.options])

    def train(self) -> None:
        """Train all recipes to their end."""
        assert self.call('start') == 0
        wait_until(lambda: 'queue ended' in self.log())

    def pid(self) -> int:
        """Return the id of the queue's process."""
        return int((self.root / 'work/pid').read_text())

    def training(self) -> int:
        """Return the id of the process that trains."""
        (child,) = Path(f'/proc/{self.pid()}/task/{self.pid()}/children').read_text().split()
        return int(child)

    def kill(self) -> int:
        """Kill all processes of the queue at once, and return the step of the last checkpoint."""
        os.killpg(self.pid(), signal.SIGKILL)
        os.waitpid(self.pid(), 0)
        (self.root / 'work/pid').unlink()  # so that the queue does not count as running
        return self.step()

    def step(self) -> int:
        """Return the step of the newest checkpoint, or 0 if there is no checkpoint."""
        (recipe,) = [recipe for recipe in self.tool.read_recipes(*self.paths) if recipe.name == 'a']
        return recipe.step()

    def log(self) -> str:
        """Return the log, or an empty text before the queue has started."""
        path = self.root / 'work/queue.log'
        return path.read_text() if path.is_file() else ''

    def result(self) -> dict:
        """Return the last checkpoint of the recipe ``a``."""
        return read_checkpoint(self.root / f'work/a/iter_{self.steps}.pth')


@pytest.fixture(autouse=True)
def photographs(monkeypatch):
    """Skip the preparation of photographs, because the small recipes read demo/sample."""
    monkeypatch.setattr(load_tool('dev/training_queue'), 'prepare_photographs', lambda photographs: None)


@pytest.fixture(autouse=True)
def lowered(monkeypatch) -> list[int]:
    """Keep the normal priority of queues, so that the tests do not wait long. Return the ids of their processes."""
    pids: list[int] = []
    monkeypatch.setattr(load_tool('dev/training_queue'), 'lower_session_priority', pids.append)
    return pids


@pytest.fixture(autouse=True)
def no_queue_is_left_running():
    """Stop the queues of a failed test."""
    yield
    for queue in Queue.created:
        if queue.tool.Queue([], queue.root / 'work').pid() is not None:
            queue.kill()
    Queue.created.clear()


def leaves(value, path=''):
    """Yield a pair (path, value) for each tensor and plain value in nested dictionaries and lists."""
    if isinstance(value, dict | list | tuple):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, f'{path}/{key}')
    else:
        yield path, value


def assert_equal_training(first: dict, second: dict) -> None:
    """Check that two checkpoints have exactly the same weights, averaged weights, optimizer and schedule."""
    for part in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        ours, reference = dict(leaves(first[part])), dict(leaves(second[part]))
        assert ours.keys() == reference.keys()
        for path, value in ours.items():
            same = torch.equal(value, reference[path]) if isinstance(value, torch.Tensor) else value == reference[path]
            assert same, f'{part}{path}'


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    """Train all steps without an interruption, after a recipe that fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_tool('dev/training_queue'), 'prepare_photographs', lambda photographs: None)
        patch.setattr(load_tool('dev/training_queue'), 'lower_session_priority', lambda pid: None)
        queue = Queue(tmp_path_factory.mktemp('undisturbed'), STEPS, names=('broken', 'a'))
        (queue.root / 'configs/broken.py').write_text(f'train_cfg = dict(max_iters={STEPS})\n')
        queue.train()
    return queue


@pytest.mark.skipif(not Path('/proc/self/autogroup').exists(), reason='needs a Linux with autogroups')
def test_the_priority_of_a_session_is_lowered():
    process = subprocess.Popen(['sleep', '60'], start_new_session=True)
    LOWER_SESSION_PRIORITY(process.pid)
    found = Path(f'/proc/{process.pid}/autogroup').read_text()
    process.kill()
    process.wait()
    assert found.endswith(' nice 19\n')


def test_a_failed_recipe_does_not_stop_the_others(undisturbed):
    log = undisturbed.log()
    assert 'broken: failed, exit code 1, see' in log and f'a: finished; step {STEPS} of {STEPS}, loss' in log
    assert 'queue ended: 1 failed' in log


def test_a_stored_curve_marks_a_recipe_as_finished_on_another_machine(undisturbed, tmp_path, capsys):
    assert undisturbed.call('store') == 0
    curve = json.loads((undisturbed.root / 'state/a.json').read_text())
    assert curve['step'] == curve['steps'] == STEPS and curve['cpu_seconds'] > 0.5
    (point,) = curve['validations']
    assert point['step'] == STEPS and 5 < point['PSNR-Y'] < 40 and -1 < point['SSIM-Y(valid)'] < 1
    other = Queue(tmp_path, STEPS)
    (undisturbed.root / 'state').rename(tmp_path / 'state')
    other.train()
    assert '0 of 1 recipes to train' in other.log()
    capsys.readouterr()
    assert other.call('status') == 0
    assert 'the queue does not run' in (message := capsys.readouterr().out) and 'finished' in message


def test_a_recipe_continues_after_a_pause_kills_and_a_move_to_another_machine(undisturbed, lowered, tmp_path, capsys):
    """A training is paused. Then the training is killed. Then its queue is killed, which ends the training too.

    After this, the training is completed twice: on another machine from its stored state, and on this machine.
    """
    queue = Queue(tmp_path / 'here', STEPS)
    assert queue.call('start') == 0
    wait_until(lambda: queue.step() >= 1)
    assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in (queue.pid(), queue.training())] == [19, 19]
    assert lowered == [queue.pid()]
    assert queue.call('pause') == 0
    assert queue.call('start') == 1
    assert 'the queue already runs (process' in capsys.readouterr().err
    wait_until(lambda: queue.call('status') == 0 and 'the queue is paused (process' in capsys.readouterr().out)
    paused_at = queue.step()
    time.sleep(1)
    assert queue.step() == paused_at < STEPS
    assert queue.call('resume') == 0
    wait_until(lambda: queue.step() > paused_at)

    os.kill(queue.training(), signal.SIGKILL)  # the queue starts this training again, and it continues
    wait_until(lambda: 'a: interrupted, exit code -9; step' in queue.log())
    interrupted_at = queue.step()
    wait_until(lambda: queue.step() > interrupted_at)

    training = queue.training()
    os.kill(queue.pid(), signal.SIGKILL)  # a training ends with its queue
    os.waitpid(queue.pid(), 0)
    wait_until(lambda: not Path(f'/proc/{training}').exists())
    killed_at = queue.step()
    assert killed_at < STEPS
    assert queue.call('store') == 0

    elsewhere = Queue(tmp_path / 'elsewhere', STEPS)
    (queue.root / 'state').rename(elsewhere.root / 'state')
    elsewhere.train()
    assert f'a: starts at step {killed_at}\n' in elsewhere.log()
    moved, expected = elsewhere.result(), undisturbed.result()
    assert moved['meta']['iter'] == STEPS and moved['param_schedulers'] == expected['param_schedulers']
    for key, value in expected['state_dict'].items():
        assert (moved['state_dict'][key] - value).abs().max() < 0.01, key
    assert [path.name for path in (elsewhere.root / 'work/a').glob('iter_*')] == [f'iter_{STEPS}.pth']

    ended = len(queue.log())
    assert queue.call('start') == 0
    wait_until(lambda: 'queue ended: 0 failed' in queue.log()[ended:])
    assert_equal_training(expected, queue.result())


@pytest.mark.soak
def test_ten_kills_at_random_moments_change_nothing(tmp_path, capsys):
    """A checkpoint is written at each of the 80 steps."""
    calm, killed = Queue(tmp_path / 'calm', 80), Queue(tmp_path / 'killed', 80)
    calm.train()
    steps = []
    for number in range(1, 11):
        assert killed.call('start') == 0
        goal = random.randint(6 * number - 8, 6 * number - 3)
        wait_until(lambda goal=goal: (killed.root / 'work/pid').is_file() and killed.step() >= goal)
        time.sleep(random.uniform(0, 0.5))
        steps.append(killed.kill())
    killed.train()
    capsys.readouterr()  # removes the output of `start`, so that the report has one line
    left = [path.name for path in (killed.root / 'work/a').glob('.*')]
    print(f'killed at steps {steps} of 80; left beside the checkpoints: {left}')
    assert max(steps) < 80
    assert_equal_training(calm.result(), killed.result())


@pytest.mark.parametrize('option', ['--jobs=0', '--threads=-1', '--jobs=x'])
def test_numbers_of_jobs_and_threads_must_be_positive(tmp_path, capsys, option):
    queue = Queue(tmp_path, 1)
    queue.options.append(option)
    with pytest.raises(SystemExit):
        queue.call('start')
    assert 'expected an integer of at least 1, found' in capsys.readouterr().err


def test_storing_without_a_checkpoint_gives_a_message(tmp_path, capsys):
    assert Queue(tmp_path, 1).call('store') == 0
    assert 'a: nothing to store, because there is no checkpoint in' in capsys.readouterr().out


def test_unknown_recipes_are_not_stored(tmp_path, capsys):
    queue = Queue(tmp_path, 1)
    queue.options.insert(0, 'b')
    assert queue.call('store') == 1
    assert 'error: no recipe b; the recipes are a' in capsys.readouterr().err


def test_stored_states_can_be_committed():
    ignored = subprocess.run(['git', 'check-ignore', '-q', 'tools/dev/training_state/a.pth'], cwd=ROOT)
    assert ignored.returncode == 1


@pytest.mark.parametrize('command', ['pause', 'resume', 'stop'])
def test_commands_without_a_running_queue_give_an_error(tmp_path, capsys, command):
    assert Queue(tmp_path, 1).call(command) == 1
    assert 'error: the queue does not run; `tools/dev/train_bundled.sh start` starts it' in capsys.readouterr().err


@pytest.mark.parametrize(
    'content, message',
    [
        ('- nosuch\n', "found 'nosuch', expected the name of a config in"),
        ('a: 1\n', 'expected a YAML list of names of configs'),
        ('', 'expected a YAML list of names of configs'),
        ('- [a\n', 'is not YAML'),
    ],
)
def test_a_wrong_list_of_recipes_is_refused(tmp_path, capsys, content, message):
    queue = Queue(tmp_path, 1)
    (tmp_path / 'queue.yml').write_text(content)
    assert queue.call('status') == 1
    assert f'error: {tmp_path}/queue.yml: ' in (error := capsys.readouterr().err) and message in error


@pytest.mark.parametrize(
    'folders, message',
    [
        (['nowhere'], 'nowhere: no such folder'),
        ([], 'data/photographs and data/photographs_held_out: not found, and no folder of --photographs'),
        (['mine'], 'data/photographs and data/photographs_held_out: not found, and no folder of --photographs'),
    ],
)
def test_error_for_missing_photographs(tmp_path, monkeypatch, folders, message):
    tool = load_tool('dev/training_queue')
    monkeypatch.undo()
    monkeypatch.setattr(tool, 'ROOT', tmp_path)
    (tmp_path / 'tools/dev').mkdir(parents=True)
    (tmp_path / 'tools/dev/held_out_photographs.txt').write_text('a\nb\n')
    mmcv.imwrite(smooth_image(40, 50), str(tmp_path / 'mine/c.png'))
    with pytest.raises(tool.InputError, match=message):
        tool.prepare_photographs([tmp_path / folder for folder in folders])


def test_photographs_are_split_into_training_and_held_out(tmp_path, monkeypatch, capsys):
    tool = load_tool('dev/training_queue')
    monkeypatch.undo()
    monkeypatch.setattr(tool, 'ROOT', tmp_path)
    (tmp_path / 'tools').symlink_to(ROOT / 'tools')
    for name in ('home', 'leuvenA', 'other'):  # two of the held-out names
        mmcv.imwrite(smooth_image(40, 50), str(tmp_path / f'mine/{name}.png'))
    tool.prepare_photographs([tmp_path / 'mine'])
    assert sorted(path.name for path in (tmp_path / 'data/photographs').iterdir()) == ['other.png']
    held_out = sorted(path.name for path in (tmp_path / 'data/photographs_held_out').iterdir())
    assert held_out == ['home.png', 'leuvenA.png']
    tool.prepare_photographs([])
    assert 'data/photographs already exists and is not changed' in capsys.readouterr().out


def test_schedules_of_the_learning_rate_end_at_the_last_step():
    paths = (ROOT / 'tools/dev/training_queue.yml', ROOT / 'configs/derain', ROOT / 'work_dirs/queue', ROOT / 'state')
    listed = {recipe.config for recipe in load_tool('dev/training_queue').read_recipes(*paths)}
    configs = {
        path for path in (ROOT / 'configs/derain').glob('*.py') if '_photographs' in path.stem or 'nafnet' in path.stem
    }
    assert listed <= configs
    for config in map(Config.fromfile, configs):
        warm_up, cosine = config.param_scheduler
        assert warm_up.end == cosine.begin and cosine.begin + cosine.T_max == config.train_cfg.max_iters


def test_curves_are_drawn_and_tabulated(tmp_path, capsys):
    tool = load_tool('dev/training_curves')
    curve = dict(recipe='a', step=2000, steps=4000, cpu_seconds=3600, processor='x')
    points = [dict(step=1000, **{'PSNR-Y': 20.0, 'SSIM-Y(valid)': 0.5})]
    points.append(dict(step=2000, **{'PSNR-Y': 21.004, 'SSIM-Y(valid)': 0.61234}))
    (tmp_path / 'a.json').write_text(json.dumps(dict(curve, validations=points)))
    out = tmp_path / 'images/curves.png'
    assert tool.main([f'--curves={tmp_path}', f'--out={out}']) == 0 and out.stat().st_size > 1000
    assert capsys.readouterr().out.splitlines()[-1] == '| `a` | 2,000 of 4,000 | 1.00 | 21.00 | 0.6123 |'
    assert tool.main(['b', f'--curves={tmp_path}', f'--out={out}']) == 1
    assert 'no curve of b; `training_queue.py store` writes it' in capsys.readouterr().err
