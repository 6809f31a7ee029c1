"""After a signal, a training saves a checkpoint. The continued training has the same result."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT, load_tool

from mmderain.io import read_checkpoint

CONFIG = """
_base_ = '{root}/configs/derain/sian_sample.py'
model = dict(network=dict(channels=4, num_stages=1))
train_dataloader = dict(batch_size=1, num_workers={workers}, persistent_workers={persistent},
    dataset=dict(data_root='{root}/demo/sample/train'))
train_cfg = dict(max_iters={steps}, val_interval=1000)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=30, save_last=True))
val_cfg = None
val_dataloader = None
val_evaluator = None
custom_imports = dict(imports=['slow'])
custom_hooks = [dict(type='Slow')]
"""
#: A hook that makes each step so long that a signal can come during the step.
SLOW = """
import time
from mmengine.hooks import Hook
from mmderain.registry import HOOKS

@HOOKS.register_module()
class Slow(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        print('step', runner.iter + 1, flush=True)
        time.sleep(0.1)

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        print('image of the validation', batch_idx, flush=True)
"""


def start(folder, work_dir, *options, workers=0, steps=24, more='') -> subprocess.Popen:
    """Start a training in its own process group."""
    (folder / 'slow.py').write_text(SLOW)
    text = CONFIG.format(root=ROOT, workers=workers, persistent=workers > 0, steps=steps)
    (folder / 'config.py').write_text(text + more)
    return subprocess.Popen(
        [sys.executable, ROOT / 'tools/train.py', folder / 'config.py', '--work-dir', work_dir, *options,
         '--cfg-options', 'train_dataloader.dataset.pipeline.1.crop_size=16'],
        env=os.environ | dict(PYTHONPATH=f'{folder}{os.pathsep}{os.environ.get("PYTHONPATH", "")}'),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def read_until(process: subprocess.Popen, text: str) -> None:
    """Read the output of a process until a line contains a text."""
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f'{text!r} is not in the output')


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> dict:
    """Return the weights of a training that was not stopped."""
    folder = tmp_path_factory.mktemp('whole')
    process = start(folder, folder / 'run')
    output = process.stdout.read()
    assert process.wait() == 0, output
    return read_checkpoint(folder / 'run/iter_24.pth')['state_dict']


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_stopped_training_continues_with_the_same_result(tmp_path, whole, number):
    """The signal goes to the whole process group, as from a terminal or a scheduler."""
    workers = 2 if number == signal.SIGINT else 0
    process = start(tmp_path, tmp_path / 'parts', workers=workers)
    read_until(process, 'step 8')
    os.killpg(process.pid, number)
    output = process.stdout.read()
    assert process.wait() == 128 + number, output
    (saved,) = (tmp_path / 'parts').glob('*.pth')
    step = int(saved.stem.removeprefix('iter_'))
    assert 8 <= step < 24
    assert f'stopped after step {step}; the last checkpoint is {saved}; continue with --resume' in output
    assert 'Traceback' not in output

    process = start(tmp_path, tmp_path / 'parts', '--resume', workers=workers)
    assert f'step {step + 1}\n' in process.stdout.read() and process.wait() == 0
    parts = read_checkpoint(tmp_path / 'parts/iter_24.pth')['state_dict']
    assert all(torch.equal(parts[key], value) for key, value in whole.items())


VALIDATION = """
del val_cfg, val_evaluator
train_cfg = dict(max_iters=24, val_interval=2)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root='{root}/demo/sample/test'))
"""


def test_a_signal_in_a_validation_stops_the_training_after_the_next_step(tmp_path):
    process = start(tmp_path, tmp_path / 'run', more=VALIDATION.format(root=ROOT))
    read_until(process, 'image of the validation 0')
    process.send_signal(signal.SIGTERM)
    output = process.stdout.read()
    assert process.wait() == 128 + signal.SIGTERM, output
    # The validation is completed: its score is in the output.
    assert 'PSNR-Y: ' in output
    saved = tmp_path / 'run/iter_3.pth'
    assert f'stopped after step 3; the last checkpoint is {saved}; continue with --resume' in output
    assert read_checkpoint(saved)['message_hub']['runtime_info']['iter'] == 2


def test_a_second_training_in_a_work_directory_is_refused(tmp_path):
    first = start(tmp_path, tmp_path / 'run', steps=1000)
    read_until(first, 'step 1')
    second = start(tmp_path, tmp_path / 'run', steps=1000)
    output = second.stdout.read()
    assert second.wait() == 1 and output.count('\n') == 1, output
    assert f'error: {tmp_path}/run: another training uses this work directory (process {first.pid} on ' in output
    third = start(tmp_path, tmp_path / 'run', '--share-work-dir', steps=1)
    assert 'step 1' in third.stdout.read() and third.wait() == 0
    # A process that is killed does not keep the directory locked, although its loader processes may still run.
    first.kill()
    first.wait()
    time.sleep(0.1)
    fourth = start(tmp_path, tmp_path / 'run', steps=1)
    assert 'step 1' in fourth.stdout.read() and fourth.wait() == 0


def test_a_checkpoint_of_another_network_is_refused_in_one_line(tmp_path, capsys):
    options = ['model.network.num_stages=1', 'train_cfg.max_iters=1', 'train_dataloader.num_workers=0']
    options += [
        'train_dataloader.persistent_workers=False',
        'val_cfg=None',
        'val_dataloader=None',
        'val_evaluator=None',
    ]
    options += [f'train_dataloader.dataset.data_root={ROOT}/demo/sample/train', 'default_hooks.checkpoint.interval=1']
    arguments = [str(ROOT / 'configs/derain/sian_sample.py'), '--work-dir', str(tmp_path / 'run'), '--cfg-options']
    train = load_tool('train').main
    assert train([*arguments, *options, 'model.network.channels=4', f'experiment_name={tmp_path.name}_1']) == 0
    capsys.readouterr()
    changed = [*options, 'model.network.channels=8', 'train_cfg.max_iters=2', f'experiment_name={tmp_path.name}_2']
    assert train([*arguments, *changed, '--resume-with-config']) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error:')]
    assert f'{tmp_path}/run/iter_1.pth: the weights do not fit the SIAN of the config' in line
    assert ': found shape (4, 4, 3, 3), expected (8, 8, 3, 3); ' in line and '39 in total' in line
