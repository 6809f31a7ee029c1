"""Train a queue of networks in the background.

    tools/dev/train_bundled.sh start
    tools/dev/train_bundled.sh status
    tools/dev/train_bundled.sh store sian_photographs

A recipe is a config to train. tools/dev/training_queue.yml lists the recipes in the order of their training. By
default, the queue trains two recipes at the same time. The commands are:

    start     start the queue in the background, or continue a stopped queue
    status    print whether the queue runs, and the progress and the loss of each recipe
    pause     pause all trainings, for example before a benchmark
    resume    continue after pause
    stop      end all processes of the queue; start continues the trainings later
    store     write weights and curves to files that can be committed
    run       train the recipes in the foreground; start calls this command in the background

You may kill any process of the queue at any time. After the next start, a recipe continues from its latest checkpoint.
The final weights of the recipe are the same as without the interruption. docs/en/training_queue.md describes the
recipes, the data and the stored files.
"""

import argparse
import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from training_recipes import ROOT, Recipe, Training, read_recipes, start_process

from mmderain.cli.command import CommandParser, command
from mmderain.cli.options import positive_int
from mmderain.datasets.converters.photographs import shrink_photographs
from mmderain.errors import InputError
from mmderain.io import atomic_write, list_images

#: Seconds between two lines of progress in the log.
PROGRESS_INTERVAL = 60


def prepare_photographs(photographs: list[Path]) -> None:
    """Create the folders data/photographs and data/photographs_held_out if they are missing.

    Args:
        photographs: folders of rain-free photographs. The photographs that held_out_photographs.txt names are written
            only to data/photographs_held_out.

    Raises:
        InputError: a folder of photographs does not exist. Or a folder in data is missing, and ``photographs`` contains
            none of the held-out photographs.
    """
    for folder in photographs:
        if not folder.is_dir():
            raise InputError(f'--photographs {folder}: no such folder')
    names = set((ROOT / 'tools/dev/held_out_photographs.txt').read_text().split())
    held_out = sorted(path.stem for folder in photographs for path in list_images(folder) if path.stem in names)
    parts = {
        'data/photographs': dict(without=held_out),
        'data/photographs_held_out': dict(side=240, quarters=False, only=held_out),
    }
    missing = {name: options for name, options in parts.items() if not (ROOT / name).is_dir()}
    for name in parts.keys() - missing.keys():
        print(f'{name} already exists and is not changed')
    if missing and not held_out:
        raise InputError(
            f'{" and ".join(missing)}: not found, and no folder of --photographs contains a photograph that '
            'tools/dev/held_out_photographs.txt names. docs/en/training_queue.md shows how to create both folders from '
            'your own photographs.'
        )
    for name, options in missing.items():
        print(shrink_photographs(photographs, ROOT / name, **options))


def locked(file: TextIO) -> bool:
    """Try to lock an open file. Return True, or False if another process has already locked it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Queue:
    """The training queue: its recipes, and the process that trains them.

    Args:
        recipes: the recipes, in the order in which they are trained.
        work_dir: folder for the log, the lock and the file with the process ID.
    """

    def __init__(self, recipes: list[Recipe], work_dir: Path) -> None:
        self.recipes, self.work_dir = recipes, work_dir
        self.log, self.lock_file, self.pid_file = (work_dir / name for name in ('queue.log', 'lock', 'pid'))

    def say(self, text: str) -> None:
        """Append a line with date and time to the log."""
        with open(self.log, 'a', encoding='utf-8') as log:
            log.write(f'{time.strftime("%F %T")} {text}\n')

    def run(self, jobs: int, threads: int, amp: str) -> int:
        """Train all recipes that are not finished, and return the number of recipes that failed.

        Args:
            jobs: number of recipes that are trained at the same time.
            threads: number of threads of each recipe. Each recipe also has one data loader process.
            amp: precision of the trainings: ``'auto'``, ``'on'`` or ``'off'``, see the option ``--amp``.

        Raises:
            InputError: another process already runs the queue.
        """
        self.work_dir.mkdir(parents=True, exist_ok=True)
        with open(self.lock_file, 'w') as lock:
            if not locked(lock):
                raise InputError(f'{self.work_dir}: another process already runs the queue')
            if os.getpgrp() != os.getpid():
                os.setpgid(0, 0)  # so that a signal to the group reaches only this process and its children
            with atomic_write(self.pid_file) as part:
                part.write_text(f'{os.getpid()}\n')
            return self._train_all(jobs, threads, amp)

    def _train_all(self, jobs: int, threads: int, amp: str) -> int:
        waiting = [recipe for recipe in self.recipes if not recipe.finished()]
        self.say(f'queue started: {len(waiting)} of {len(self.recipes)} recipes to train, {jobs} at the same time')
        active: list[Training] = []
        failed, next_progress = 0, time.monotonic() + PROGRESS_INTERVAL
        while waiting or active:
            while waiting and len(active) < jobs:
                recipe = waiting.pop(0)
                try:
                    active.append(Training(recipe, threads, amp))
                    self.say(f'{recipe.name}: starts at step {recipe.step()}')
                except (InputError, OSError) as error:
                    failed += 1
                    self.say(f'{recipe.name}: cannot start: {error}')
            time.sleep(0.5)
            if time.monotonic() > next_progress:
                next_progress = time.monotonic() + PROGRESS_INTERVAL
                for training in active:
                    training.record_cpu_seconds()
                    recipe = training.recipe
                    hours = recipe.cpu_seconds() / 3600
                    self.say(f'{recipe.name}: {recipe.progress()}, {hours:.2f} h of processor time')
            for training in [training for training in active if training.poll() is not None]:
                active.remove(training)
                recipe, code = training.recipe, training.process.returncode
                if code == 0:
                    self.say(f'{recipe.name}: finished; {recipe.progress()}')
                elif recipe.step() > training.first_step:
                    waiting.append(recipe)  # the training has made steps, so its config works
                    self.say(f'{recipe.name}: interrupted, exit code {code}; {recipe.progress()}')
                else:
                    failed += 1
                    self.say(f'{recipe.name}: failed, exit code {code}, see {recipe.folder}/train.log')
        self.say(f'queue ended: {failed} failed')
        return failed

    def pid(self) -> int | None:
        """Return the ID of the process that runs the queue, or None if the queue does not run."""
        if not self.lock_file.is_file():
            return None
        with open(self.lock_file) as lock:
            if locked(lock):  # no other process has the lock; closing the file releases it
                return None
        return int(self.pid_file.read_text())

    def send(self, number: signal.Signals, effect: str) -> None:
        """Send a signal to all processes of the queue, and print its effect.

        Args:
            number: number of the signal.
            effect: text that follows "process <ID> and its children".

        Raises:
            InputError: the queue does not run.
        """
        pid = self.pid()
        if pid is None:
            raise InputError('the queue does not run; `tools/dev/train_bundled.sh start` starts it')
        os.killpg(pid, number)
        print(f'process {pid} and its children {effect}')

    def print_status(self) -> None:
        """Print whether the queue runs, and the progress of each recipe."""
        pid = self.pid()
        paused = pid is not None and Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2].startswith('T')
        state = 'does not run' if pid is None else f'{"is paused" if paused else "runs"} (process {pid})'
        print(f'the queue {state}' + (f'; its log is {self.log}' if self.log.is_file() else ''))
        width = max(len(recipe.name) for recipe in self.recipes)
        for recipe in self.recipes:
            words = recipe.progress() if recipe.folder.is_dir() else 'waiting'
            if recipe.finished():
                words = 'finished'
            print(f'  {recipe.name:{width}}  {recipe.cpu_seconds() / 3600:6.2f} h  {words}')


def start(queue: Queue, args: argparse.Namespace) -> None:
    """Start the queue in the background, at the lowest priority.

    Raises:
        InputError: the queue already runs, or the photographs are missing.
    """
    if queue.pid() is not None:
        raise InputError(f'the queue already runs (process {queue.pid()}); see `tools/dev/train_bundled.sh status`')
    prepare_photographs(args.photographs)
    queue.work_dir.mkdir(parents=True, exist_ok=True)
    names = ('recipes', 'configs', 'work_dir', 'state_dir', 'jobs', 'threads', 'amp')
    options = [f'--{name.replace("_", "-")}={getattr(args, name)}' for name in names]
    words = ['nice', '-n', '19', sys.executable, __file__, 'run', *options]
    process = start_process(words, queue.log, start_new_session=True)
    lower_session_priority(process.pid)
    print(f'the queue runs as process {process.pid}; its log is {queue.log}')


def lower_session_priority(pid: int) -> None:
    """Give the session of a process the lowest priority among all sessions.

    Linux first divides the processor time among the sessions (autogroups, see sched(7)), and then among the processes
    of each session. ``nice`` only has an effect on the second division. Otherwise, the queue would get as much
    processor time as all processes of another terminal together.
    """
    with contextlib.suppress(OSError):  # a kernel without autogroups
        Path(f'/proc/{pid}/autogroup').write_text('19')


def store(queue: Queue, names: list[str]) -> int:
    """Write the weights and curves of recipes to files that can be committed.

    Args:
        queue: the queue.
        names: names of the recipes. An empty list stores all recipes.

    Returns:
        1 if a recipe could not be stored, else 0.

    Raises:
        InputError: ``names`` contains a name that no recipe has.
    """
    recipes = {recipe.name: recipe for recipe in queue.recipes}
    unknown = set(names) - set(recipes)
    if unknown:
        raise InputError(f'no recipe {", ".join(sorted(unknown))}; the recipes are {", ".join(recipes)}')
    code = 0
    for name in names or recipes:
        try:
            files = recipes[name].store()
        except (InputError, OSError) as error:
            print(f'error: {name}: {error}', file=sys.stderr)
            code = 1
            continue
        for path in files:
            print(f'{path}: {path.stat().st_size:,} bytes')
        if not files:
            print(f'{name}: nothing to store, because there is no checkpoint in {recipes[name].folder}')
    return code


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        'command',
        choices=['start', 'status', 'pause', 'resume', 'stop', 'store', 'run'],
        metavar='COMMAND',
        help='start, status, pause, resume, stop, store or run, see below',
    )
    parser.add_argument(
        'names',
        nargs='*',
        metavar='RECIPE',
        help='recipes to store, only for the command `store` (default: all recipes)',
    )
    for option, default, text in (
        ('--jobs', 2, 'number of recipes that are trained at the same time'),
        ('--threads', 1, 'number of CPU threads for the training of each recipe'),
    ):
        parser.add_argument(
            option, type=positive_int, default=default, metavar='N', help=f'{text} (default: %(default)s)'
        )
    parser.add_argument(
        '--amp',
        choices=['auto', 'on', 'off'],
        default='auto',
        help='precision of the trainings. on: mixed precision; off: float32; auto: as --amp=auto of tools/train.py, '
        'which measures at the start of a training whether mixed precision is faster (default: auto)',
    )
    parser.add_argument(
        '--photographs',
        type=Path,
        nargs='+',
        metavar='DIR',
        default=[],
        help='folders of rain-free photographs. If data/photographs or data/photographs_held_out is missing, `start` '
        'makes it from these photographs (default: both folders must already exist)',
    )
    for option, path, text in (
        ('--recipes', 'tools/dev/training_queue.yml', 'YAML file with the list of the recipes'),
        ('--configs', 'configs/derain', 'folder of the configs of the recipes'),
        ('--work-dir', 'work_dirs/queue', 'folder for checkpoints and logs'),
        (
            '--state-dir',
            'tools/dev/training_state',
            'folder for the files that `store` writes. If this folder contains the complete curve of a recipe, the '
            'recipe counts as finished, and is not trained',
        ),
    ):
        parser.add_argument(option, type=Path, default=ROOT / path, metavar='PATH', help=f'{text} (default: {path})')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Run the command."""
    queue = Queue(read_recipes(args.recipes, args.configs, args.work_dir, args.state_dir), args.work_dir)
    if args.command == 'start':
        start(queue, args)
    elif args.command == 'run':
        return 1 if queue.run(args.jobs, args.threads, args.amp) else 0
    elif args.command == 'status':
        queue.print_status()
    elif args.command == 'pause':
        queue.send(signal.SIGSTOP, 'are paused')
    elif args.command == 'resume':
        queue.send(signal.SIGCONT, 'continue')
    elif args.command == 'stop':
        queue.send(signal.SIGKILL, 'are stopped; `start` continues the trainings')
        queue.say('queue stopped')
    else:
        return store(queue, args.names)


if __name__ == '__main__':
    sys.exit(main())
