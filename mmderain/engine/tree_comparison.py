"""Compare the speed of the working tree with the speed of a commit, for ``tools/benchmark.py --against``."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.progress import track

from mmderain.errors import InputError
from mmderain.io import atomic_write

from .benchmark import Benchmark
from .profiling import median_interval

#: The ratio is the time of the working tree divided by the time of the commit. A network counts as slower if the upper
#: bound of the 95% interval of this ratio is above LIMIT.
LIMIT = 1.03
#: Script that times a network. Its docstring describes its arguments. It can run with the package of an old commit.
SCRIPT = Path('tools/dev/time_in_tree.py')


def compare_trees(root: Path, ref: str, configs: list[str], benchmark: Benchmark, pairs: int, out: Path) -> int:
    """Print the run time of networks in the working tree, divided by their run time in a commit.

    Args:
        root: folder of the checkout.
        ref: commit, tag or branch.
        configs: config files. A config file inside the checkout must also exist in the commit. The commit is then
            measured with its own version of the file. A config file outside the checkout is used for both
            measurements.
        benchmark: settings of the measurement. All its cases and variants are compared.
        pairs: number of pairs of processes for each comparison, at least 6. One process of a pair measures the working
            tree, the other one measures the commit. They run one after the other, and their order alternates.
        out: folder for ``against.json``, which contains all times.

    Returns:
        1 if the upper bound of an interval is above :data:`LIMIT`, else 0.

    Raises:
        InputError: the commit or a config does not exist, or a network cannot be measured.
    """
    if pairs < 6:
        raise InputError(
            f'--pairs {pairs}: a 95% interval of the median needs at least 6 pairs; use 20 for a reliable interval'
        )
    with checked_out(root, ref) as other:
        trees = {'the working tree': root, ref: other}
        jobs = [job for config in configs for job in jobs_of(config, benchmark, trees)]
        for warning in disturbances(root):
            print(f'warning: {warning}', file=sys.stderr)
        results = []
        for job in jobs:
            name = '{config} {height}x{width}, batch {batch}, {precision}, {path}, memory {cpu_memory}'.format(**job)
            times = []
            for number in track(range(pairs), name):
                order = list(trees) if number % 2 == 0 else list(trees)[::-1]
                seconds = {tree: time_in_tree(root / SCRIPT, trees[tree], tree, job) for tree in order}
                times.append([seconds[tree] for tree in trees])
            ratio, low, high = median_interval([ours / theirs for ours, theirs in times])
            verdict = f'ABOVE {LIMIT}: it may be more than 3% slower' if high > LIMIT else f'not above {LIMIT}'
            print(f'{name}: {ratio:.3f} times the time of {ref}, 95% interval {low:.3f} to {high:.3f}, {verdict}')
            results.append(dict(job, median_ratio=ratio, interval=[low, high], seconds=times))
            with atomic_write(out / 'against.json') as part:
                part.write_text(json.dumps(dict(against=ref, pairs=pairs, results=results), indent=1), encoding='utf-8')
    return int(any(result['interval'][1] > LIMIT for result in results))


def disturbances(root: Path) -> Iterator[str]:
    """Yield a warning if a training queue is running, and a warning if other programs use the processor."""
    command = [sys.executable, str(root / 'tools/dev/training_queue.py'), 'status']
    if subprocess.run(command, capture_output=True, text=True).stdout.startswith('the queue runs'):
        yield 'a training queue is running; pause it with `tools/dev/train_bundled.sh pause`, and compare again'
    if (load := os.getloadavg()[0]) > 0.5:
        yield f'the load average is {load:.1f}: other programs use the processor, so the interval will be wide'


@contextlib.contextmanager
def checked_out(root: Path, ref: str) -> Iterator[Path]:
    """Check out a commit into a temporary folder, which is removed at the end.

    Raises:
        InputError: ``root`` is not a git checkout, or has no such commit.
    """
    try:
        top = Path(git(root, 'rev-parse', '--show-toplevel'))
    except (OSError, InputError) as error:
        raise InputError(f'--against {ref}: expected a git checkout, found {root} ({error})') from None
    if top.resolve() != root.resolve():
        raise InputError(f'--against {ref}: expected a git checkout, found {root}, which is a folder inside a checkout')
    try:
        commit = git(root, 'rev-parse', '--verify', f'{ref}^{{commit}}')
    except InputError:
        raise InputError(
            f'--against {ref}: {root} has no such commit, tag or branch; run `git fetch` if only the remote has it'
        ) from None
    with tempfile.TemporaryDirectory(prefix='mmderain_against_') as folder:
        tree = Path(folder).resolve() / 'tree'
        git(root, 'worktree', 'add', '--detach', str(tree), commit)
        try:
            yield tree
        finally:
            git(root, 'worktree', 'remove', '--force', str(tree))


def git(root: Path, *arguments: str) -> str:
    """Run git in a folder and return what it prints.

    Raises:
        InputError: git failed.
    """
    done = subprocess.run(['git', '-C', root, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f'git {arguments[0]}: {done.stderr.strip()}')
    return done.stdout.strip()


def jobs_of(config: str, benchmark: Benchmark, trees: dict[str, Path]) -> Iterator[dict]:
    """Yield the arguments of :data:`SCRIPT` for each case and variant of a benchmark.

    Args:
        config: config file.
        benchmark: settings of the measurement.
        trees: maps names to folders. The first folder is the checkout, the second one contains the files of the commit.

    Raises:
        InputError: the config file does not exist in one of the folders.
    """
    root, path = next(iter(trees.values())).resolve(), Path(config).resolve()
    path = path.relative_to(root) if path.is_relative_to(root) else path
    for name, tree in trees.items():
        if not (tree / path).is_file():
            raise InputError(f'{config}: no such config file in {name}')
    for (height, width), batch in benchmark.cases():
        for variant in benchmark.variants():
            yield dict(
                config=str(path),
                height=height,
                width=width,
                batch=batch,
                **variant._asdict(),
                cfg_options=benchmark.path_options(variant.path),
                checkpoint=benchmark.checkpoint and str(Path(benchmark.checkpoint).resolve()),
                device=benchmark.device,
                threads=benchmark.threads,
                repeats=benchmark.repeats,
                train=benchmark.train,
            )


def time_in_tree(script: Path, tree: Path, name: str, job: dict) -> float:
    """Run :data:`SCRIPT` with the package of a tree, and return the time of a pass in seconds.

    Args:
        script: path of the script.
        tree: folder of the checkout, or folder with the files of the commit.
        name: name of the tree for the error message.
        job: arguments of the script.

    Raises:
        InputError: the script failed, or it imported the package from another folder.
    """
    paths = os.pathsep.join([str(tree), *filter(None, [os.environ.get('PYTHONPATH')])])
    command = [sys.executable, str(script), json.dumps(job)]
    done = subprocess.run(command, cwd=tree, env=os.environ | {'PYTHONPATH': paths}, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ['it printed nothing'])[-1]
        raise InputError(f'{job["config"]}: cannot be measured in {name} ({reason})')
    result = json.loads(done.stdout.splitlines()[-1])
    if not Path(result['package']).resolve().is_relative_to(tree.resolve()):
        raise InputError(f'{name}: expected the package mmderain in {tree}, found it in {result["package"]}')
    return result['seconds']
