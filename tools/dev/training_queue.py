"""Train the recipes of training_queue.yml in the background; see train_bundled.sh.

Every process of the queue may be killed at any moment: a recipe continues from its latest checkpoint, with the same
result as a run that was not interrupted (tests/test_tools/test_training_queue.py).
"""

import argparse
import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

from training_recipes import Recipe, process_cpu_seconds, read_recipes, store, unpack_stored_state

from mmderain.errors import InputError
from mmderain.io import atomic_write, list_images

ROOT = Path(__file__).resolve().parents[2]
#: Seconds between two lines of progress in the log.
PROGRESS_INTERVAL = 60


def prepare_photographs(photographs: list[Path]) -> None:
    """Make data/photographs and data/photographs_held_out, each if it is missing.

    Args:
        photographs: folders of rain-free photographs; those of held_out_photographs.txt are kept out of the training.

    Raises:
        InputError: a folder is missing, there is nothing to make the images from, or the tool failed.
    """
    for folder in photographs:
        if not folder.is_dir():
            raise InputError(f'--photographs {folder}: no such folder')
    names = set((ROOT / 'tools/dev/held_out_photographs.txt').read_text().split())
    held_out = sorted(path.stem for folder in photographs for path in list_images(folder) if path.stem in names)
    parts = {
        'data/photographs': ['--without', *held_out],
        'data/photographs_held_out': ['--side', '240', '--no-quarters', '--only', *held_out],
    }
    missing = {name: options for name, options in parts.items() if not (ROOT / name).is_dir()}
    for name in parts.keys() - missing.keys():
        print(f'{name} exists and is used as it is')
    if missing and not held_out:
        raise InputError(
            f'{" and ".join(missing)}: not found, and --photographs names no folder with the photographs of '
            'mmderain/weights/photographs.csv; make both folders from your own (docs/en/training_queue.md)'
        )
    for name, options in missing.items():
        tool = ROOT / 'tools/dataset_converters/photographs.py'
        if subprocess.run([sys.executable, tool, *photographs, '--dst', ROOT / name, *options]).returncode:
            raise InputError(f'{name}: could not be made')


class Training:
    """A recipe that is being trained, in a process of its own.

    Raises:
        InputError, OSError: the recipe cannot be started.
    """

    def __init__(self, recipe: Recipe, threads: int) -> None:
        self.recipe = recipe
        recipe.folder.mkdir(parents=True, exist_ok=True)
        unpack_stored_state(recipe)
        self.first_step = recipe.step()
        self.cpu_seconds_before = recipe.cpu_seconds()
        # The kernel ends a training when the queue's process ends, in whatever way that happens.
        command = ['setpriv', '--pdeathsig', 'KILL', sys.executable, ROOT / 'tools/train.py', recipe.config]
        command += ['--work-dir', recipe.folder, '--amp=auto']
        if recipe.checkpoint():
            command += ['--resume', recipe.checkpoint()]
        with open(recipe.folder / 'train.log', 'ab') as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                # Threads that wait for each other must not keep a processor busy that somebody else needs.
                env=os.environ | {'OMP_NUM_THREADS': str(threads), 'OMP_WAIT_POLICY': 'PASSIVE'},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def record_cpu_seconds(self) -> None:
        """Add the processor time of the running process to the recipe's total."""
        self.recipe.write_cpu_seconds(self.cpu_seconds_before + process_cpu_seconds(self.process.pid))

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        before = ended_children_cpu_seconds()
        code = self.process.poll()
        if code is not None:
            used = ended_children_cpu_seconds() - before  # this process is the one that ended in between
            self.recipe.write_cpu_seconds(self.cpu_seconds_before + used)
        return code


def ended_children_cpu_seconds() -> float:
    """Return the processor time of all children whose end this process has seen, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def locked(file: TextIO) -> bool:
    """Lock an open file if no other process has locked it; tell whether that worked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Queue:
    """All recipes, and the process that trains them.

    Args:
        recipes: in the order of training.
        work_dir: folder for the log, the lock and the process id.
    """

    def __init__(self, recipes: list[Recipe], work_dir: Path) -> None:
        self.recipes = recipes
        self.work_dir = work_dir
        self.log = work_dir / 'queue.log'
        self.lock_file = work_dir / 'lock'
        self.pid_file = work_dir / 'pid'

    def say(self, text: str) -> None:
        """Append a dated line to the log."""
        with open(self.log, 'a', encoding='utf-8') as log:
            log.write(f'{time.strftime("%F %T")} {text}\n')

    def run(self, jobs: int, threads: int) -> int:
        """Train all recipes that are not finished; return the number of those that failed.

        Args:
            jobs: recipes that are trained at the same time.
            threads: threads of each; each also has one data loader process.

        Raises:
            InputError: another process runs the queue.
        """
        self.work_dir.mkdir(parents=True, exist_ok=True)
        with open(self.lock_file, 'w') as lock:
            if not locked(lock):
                raise InputError(f'{self.work_dir}: the queue runs already')
            if os.getpgrp() != os.getpid():
                os.setpgid(0, 0)  # so that a signal to the group reaches this process and its children alone
            with atomic_write(self.pid_file) as part:
                part.write_text(f'{os.getpid()}\n')
            return self._train_all(jobs, threads)

    def _train_all(self, jobs: int, threads: int) -> int:
        waiting = [recipe for recipe in self.recipes if not recipe.finished()]
        self.say(f'queue started: {len(waiting)} of {len(self.recipes)} recipes to train, {jobs} at a time')
        active: list[Training] = []
        failed, next_progress = 0, time.monotonic() + PROGRESS_INTERVAL
        while waiting or active:
            while waiting and len(active) < jobs:
                recipe = waiting.pop(0)
                try:
                    active.append(Training(recipe, threads))
                    self.say(f'{recipe.name}: starts at step {recipe.step()}')
                except (InputError, OSError) as error:
                    failed += 1
                    self.say(f'{recipe.name}: cannot start: {error}')
            time.sleep(0.5)
            if time.monotonic() > next_progress:
                next_progress = time.monotonic() + PROGRESS_INTERVAL
                self._report(active)
            for training in [training for training in active if training.poll() is not None]:
                active.remove(training)
                recipe, code = training.recipe, training.process.returncode
                if code == 0:
                    self.say(f'{recipe.name}: finished; {recipe.progress()}')
                elif recipe.step() > training.first_step:
                    waiting.append(recipe)  # it was interrupted, not wrong
                    self.say(f'{recipe.name}: interrupted, exit code {code}; {recipe.progress()}')
                else:
                    failed += 1
                    self.say(f'{recipe.name}: failed, exit code {code}, see {recipe.folder}/train.log')
        self.say(f'queue ended: {failed} failed')
        return failed

    def _report(self, active: list[Training]) -> None:
        """Write a line for each recipe that is being trained, and record its processor time."""
        for training in active:
            training.record_cpu_seconds()
            hours = training.recipe.cpu_seconds() / 3600
            self.say(f'{training.recipe.name}: {training.recipe.progress()}, {hours:.2f} h of processor time')

    def pid(self) -> int | None:
        """Return the id of the process that runs the queue, None if it does not run."""
        if not self.lock_file.is_file():
            return None
        with open(self.lock_file) as lock:
            if locked(lock):  # nobody else has it, and it is released at once
                return None
        return int(self.pid_file.read_text())

    def send(self, number: signal.Signals) -> int:
        """Send a signal to all processes of the queue; return the id of the one that runs it.

        Raises:
            InputError: the queue does not run.
        """
        pid = self.pid()
        if pid is None:
            raise InputError('the queue does not run; `tools/dev/train_bundled.sh start` starts it')
        os.killpg(pid, number)
        return pid

    def print_status(self) -> None:
        """Print whether the queue runs, and how far each recipe is."""
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
    """Start the queue in the background, at the lowest priority."""
    if queue.pid() is not None:
        raise InputError(f'the queue runs already (process {queue.pid()}); see `tools/dev/train_bundled.sh status`')
    prepare_photographs(args.photographs)
    queue.work_dir.mkdir(parents=True, exist_ok=True)
    options = [f'--recipes={args.recipes}', f'--configs={args.configs}', f'--work-dir={args.work_dir}']
    options += [f'--state-dir={args.state_dir}', f'--jobs={args.jobs}', f'--threads={args.threads}']
    with open(queue.log, 'ab') as log:
        process = subprocess.Popen(
            ['nice', '-n', '19', sys.executable, __file__, 'run', *options],
            cwd=ROOT,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    print(f'the queue runs as process {process.pid}; its log is {queue.log}')


def store_all(queue: Queue, names: list[str]) -> int:
    """Store recipes, all if none is named; return 1 if one of them could not be stored.

    Raises:
        InputError: no recipe has one of the names.
    """
    recipes = {recipe.name: recipe for recipe in queue.recipes}
    unknown = set(names) - set(recipes)
    if unknown:
        raise InputError(f'no recipe {", ".join(sorted(unknown))}; the recipes are {", ".join(recipes)}')
    code = 0
    for name in names or recipes:
        try:
            files = store(recipes[name])
            for path in files:
                print(f'{path}: {path.stat().st_size:,} bytes')
            if not files:
                print(f'{name}: nothing to store, there is no checkpoint in {recipes[name].folder}')
        except (InputError, OSError) as error:
            print(f'error: {name}: {error}', file=sys.stderr)
            code = 1
    return code


def positive(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number from 1, found {text!r}')
    return int(text)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog='train_bundled.sh', description=__doc__.split('\n\n')[0])
    parser.add_argument('command', choices=['start', 'run', 'status', 'pause', 'resume', 'stop', 'store'])
    parser.add_argument('names', nargs='*', metavar='RECIPE', help='what `store` stores; default: all recipes')
    parser.add_argument(
        '--jobs', type=positive, default=2, help='recipes trained at the same time; default: %(default)s'
    )
    parser.add_argument('--threads', type=positive, default=1, help='threads of each; default: %(default)s')
    parser.add_argument(
        '--photographs',
        type=Path,
        nargs='+',
        metavar='DIR',
        default=[],
        help='folders of rain-free photographs that data/photographs is made from if it is missing',
    )
    folders = {
        '--recipes': ('tools/dev/training_queue.yml', 'list of the recipes'),
        '--configs': ('configs/derain', "folder of the recipes' configs"),
        '--work-dir': ('work_dirs/queue', 'folder for checkpoints and logs'),
        '--state-dir': (
            'tools/dev/training_state',
            'folder for what `store` writes; a recipe that ended there is done',
        ),
    }
    for option, (path, text) in folders.items():
        parser.add_argument(option, type=Path, default=ROOT / path, help=f'{text}; default: {path}')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run a command of the queue; return its exit code."""
    args = parse_args(argv)
    try:
        queue = Queue(read_recipes(args.recipes, args.configs, args.work_dir, args.state_dir), args.work_dir)
        if args.command == 'start':
            start(queue, args)
        elif args.command == 'run':
            return 1 if queue.run(args.jobs, args.threads) else 0
        elif args.command == 'status':
            queue.print_status()
        elif args.command == 'pause':
            print(f'process {queue.send(signal.SIGSTOP)} and its children are paused')
        elif args.command == 'resume':
            print(f'process {queue.send(signal.SIGCONT)} and its children continue')
        elif args.command == 'stop':
            print(f'process {queue.send(signal.SIGKILL)} and its children are stopped; `start` continues')
            queue.say('queue stopped')
        else:
            return store_all(queue, args.names)
    except (InputError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
