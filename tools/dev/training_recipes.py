"""Recipes of the training queue: the list of recipes, their progress, their training process and their stored state."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from mmengine.config import Config

from mmderain.engine.compact_state import compact_checkpoint, write_restored
from mmderain.engine.machine import processor_with_features
from mmderain.errors import InputError
from mmderain.io import atomic_write, read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
#: Largest size in bytes of a file that :meth:`Recipe.store` writes.
MAX_STORED_BYTES = 5 * 2**20


@dataclass(frozen=True)
class Recipe:
    """One network to train.

    Attributes:
        name: name of the recipe, which is the file name of its config without suffix.
        config: path of the config.
        folder: work directory with checkpoints and logs.
        state: file of the stored state, which can be committed.
        curve: file of the stored curve, which can be committed.
    """

    name: str
    config: Path
    folder: Path
    state: Path
    curve: Path

    def total_steps(self) -> int:
        """Return the number of steps of the complete training."""
        return Config.fromfile(self.config).train_cfg.max_iters

    def checkpoint(self) -> Path | None:
        """Return the path of the latest checkpoint, or None if there is none."""
        path = self.folder / 'last_checkpoint'
        # Only the file name is used, because the folder may have been moved since the checkpoint was saved.
        return self.folder / Path(path.read_text()).name if path.is_file() else None

    def step(self) -> int:
        """Return the step of the latest checkpoint, or 0 if there is none."""
        checkpoint = self.checkpoint()
        return int(checkpoint.stem.removeprefix('iter_')) if checkpoint else 0

    def stored_curve(self) -> dict:
        """Return the stored curve, or the curve of a recipe that has not started."""
        if self.curve.is_file():
            return json.loads(self.curve.read_text())
        return dict(step=0, cpu_seconds=0.0, validations=[])

    def finished(self) -> bool:
        """Return whether the training has reached its last step, according to its checkpoint or its stored curve."""
        return max(self.step(), self.stored_curve()['step']) >= self.total_steps()

    def cpu_seconds(self) -> float:
        """Return the processor time of the recipe so far in seconds, including the time on other machines."""
        path = self.folder / 'cpu_seconds'
        return float(path.read_text()) if path.is_file() else self.stored_curve()['cpu_seconds']

    def write_cpu_seconds(self, seconds: float) -> None:
        """Record the processor time of the recipe so far, in seconds."""
        with atomic_write(self.folder / 'cpu_seconds') as part:
            part.write_text(f'{seconds:.1f}\n')

    def progress(self) -> str:
        """Return a text with the last training step and the last validation in the log."""
        path = self.folder / 'train.log'
        text = path.read_text(errors='replace') if path.is_file() else ''
        trained = re.findall(r'Iter\(train\) \[ *(\d+)/(\d+)\].*? loss: (\S+)', text)
        validated = re.findall(r'Iter\(val\) .*?PSNR-Y: ([\d.]+)', text)
        words = 'step {} of {}, loss {}'.format(*trained[-1]) if trained else f'step {self.step()}'
        return f'{words}, held-out PSNR-Y {validated[-1]} dB' if validated else words

    def unpack_stored_state(self) -> None:
        """Write the stored state to the work directory as a checkpoint, unless a later checkpoint exists there."""
        compact = read_checkpoint(self.state) if self.state.is_file() else None
        if compact and compact['meta']['iter'] > self.step():
            write_restored(compact, self.folder)
            if self.curve.is_file():  # the time that the folder records belongs to an earlier step
                self.write_cpu_seconds(self.stored_curve()['cpu_seconds'])

    def store(self) -> list[Path]:
        """Write the state and the curve to files, and return the files. Without a checkpoint, write no file.

        The state contains the averaged weights in half precision, the step, the seed and the schedule. It also contains
        the state of the optimizer if the file stays small enough. The curve contains the step, the processor time and
        the scores of all validations, including the validations on other machines.

        Raises:
            InputError: the state is larger than :data:`MAX_STORED_BYTES`, even without the state of the optimizer.
        """
        checkpoint = self.checkpoint()
        if checkpoint is None:
            return []
        content = dict(recipe=self.name, step=self.step(), steps=self.total_steps(), cpu_seconds=self.cpu_seconds())
        content.update(processor=processor_with_features(), validations=self._validations())
        compact = compact_checkpoint(read_checkpoint(checkpoint), MAX_STORED_BYTES)
        with atomic_write(self.state) as part, open(part, 'wb') as file:
            torch.save(compact, file)
        with atomic_write(self.curve) as part:
            part.write_text(json.dumps(content, indent=1) + '\n')
        return [self.state, self.curve]

    def _validations(self) -> list[dict]:
        points = {point['step']: point for point in self.stored_curve()['validations']}
        for path in sorted(self.folder.glob('*/vis_data/scalars.json')):
            step = 0
            for line in read_json_lines(path):
                # mmengine writes the epoch as `step` of a validation. Therefore the step of the last training line is
                # used.
                if 'PSNR-Y' in line:
                    points[step] = dict(step=step, **{key: round(line[key], 4) for key in ('PSNR-Y', 'SSIM-Y(valid)')})
                step = line.get('iter', step)
        return [points[step] for step in sorted(points)]


class Training:
    """A recipe that is being trained, and the process that trains it.

    Args:
        recipe: the recipe.
        threads: number of threads.
        amp: precision of the training: ``'auto'``, ``'on'`` or ``'off'``, see ``--amp`` of training_queue.py.

    Raises:
        InputError, OSError: the recipe cannot be started.
    """

    def __init__(self, recipe: Recipe, threads: int, amp: str) -> None:
        self.recipe = recipe
        recipe.folder.mkdir(parents=True, exist_ok=True)
        recipe.unpack_stored_state()
        self.first_step = recipe.step()
        self.cpu_seconds_before = recipe.cpu_seconds()
        # With setpriv, the kernel ends the training when the process of the queue ends, even if the queue is killed.
        words = ['setpriv', '--pdeathsig', 'KILL', sys.executable, ROOT / 'tools/train.py', recipe.config]
        words += ['--work-dir', recipe.folder]
        words += [] if amp == 'off' else [f'--amp={amp}']
        words += ['--resume', recipe.checkpoint()] if recipe.checkpoint() else []
        # With PASSIVE, threads that wait for each other do not keep a processor busy. Another process can use it.
        threading = {'OMP_NUM_THREADS': str(threads), 'OMP_WAIT_POLICY': 'PASSIVE'}
        self.process = start_process(words, recipe.folder / 'train.log', env=os.environ | threading)

    def record_cpu_seconds(self) -> None:
        """Record the total processor time of the recipe, including the time of the running process."""
        self.recipe.write_cpu_seconds(self.cpu_seconds_before + process_cpu_seconds(self.process.pid))

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs. When it has ended, record its processor time."""
        # After the exit code of an ended process has been fetched, its processor time can no longer be read.
        total = self.cpu_seconds_before + process_cpu_seconds(self.process.pid)
        code = self.process.poll()
        if code is not None:
            self.recipe.write_cpu_seconds(total)
        return code


def read_recipes(path: Path, configs: Path, work_dir: Path, state_dir: Path) -> list[Recipe]:
    """Read the list of recipes.

    Args:
        path: YAML file with the list of the recipes. Each entry is the name of a config.
        configs: folder of the configs.
        work_dir: folder of the work directories.
        state_dir: folder of the stored files.

    Raises:
        FileNotFoundError: the file is missing.
        InputError: the file is not a list of names of configs.
    """
    try:
        names = yaml.safe_load(path.read_text(encoding='utf-8'))
    except yaml.YAMLError as error:
        raise InputError(f'{path}: is not YAML ({error}); expected a list of names of configs in {configs}') from None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f'{path}: expected a YAML list of names of configs in {configs}')
    for name in names:
        if not (configs / f'{name}.py').is_file():
            raise InputError(f'{path}: found {name!r}, expected the name of a config in {configs}')
    return [
        Recipe(name, configs / f'{name}.py', work_dir / name, state_dir / f'{name}.pth', state_dir / f'{name}.json')
        for name in names
    ]


def read_json_lines(path: Path) -> list[dict]:
    """Return the objects in a file with one JSON object per line. Skip incomplete lines, which a kill can cause."""
    lines = []
    for line in path.read_text().splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines


def start_process(words: list, log: Path, **options) -> subprocess.Popen:
    """Start a process in the background. Its output is appended to a log."""
    with open(log, 'ab') as file:
        options |= dict(stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        return subprocess.Popen(words, cwd=ROOT, **options)


def process_cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and of its children, in seconds; 0 if there is no such process."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2].split()
        children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    except OSError:
        return 0.0
    # User and system time, of the process itself and of its children that have ended (proc(5), fields 14 to 17).
    ticks = sum(map(int, fields[11:15]))
    return ticks / os.sysconf('SC_CLK_TCK') + sum(process_cpu_seconds(int(child)) for child in children)
