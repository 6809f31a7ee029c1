"""Run all tests, measurements and trainings that need a GPU, in steps of at most nine minutes each.

    tools/dev/gpu_queue.sh list
    tools/dev/gpu_queue.sh run [STEP ...]
    tools/dev/gpu_queue.sh status
    tools/dev/gpu_queue.sh recipe configs/derain/nafnet_photographs.py

The command `run` runs the named steps one after another. Without names, it runs all steps. It skips steps that are
done. A step writes its files to a folder with the name of the step, by default in work_dirs/gpu_queue:

    log.txt     output of the step
    *.json      measured values
    state.pth   state of a training, less than 16 MiB
    done        date and device; the step is finished, and is not run again
    part        progress of a training; the next run continues the training from state.pth, also on another machine
    failed      exit status and last line of the log; the next run starts the step again

At its end, a step writes one of the three files done, part and failed.

The command `recipe` trains a config for a limited time, by default 8 minutes. This is called a part of the training.
Each step whose name starts with recipe- trains one part.

Environment variables change the settings. For example, DEVICE=cpu tries the queue without a GPU. The dict DEFAULTS in
tools/dev/gpu_queue.py lists all variables with their defaults.
"""

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmderain.cli.command import CommandParser, command
from mmderain.errors import InputError
from mmderain.io import atomic_write

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = dict(
    DEVICE='cuda',  # the value cpu tries the queue without a GPU
    OUT='work_dirs/gpu_queue',  # folder for the results of this run
    EARLIER='work_dirs/gpu_queue',  # folder of earlier results, with the finished steps and the states of recipes
    LIMIT='540',  # largest number of seconds of a step
    TRAIN_SECONDS='480',  # seconds of training in one part of a recipe
    TESTS='tests/test_models/test_gpu.py tests/test_models/test_window_attention_triton.py',
    ATTENTION_ARGS='--sizes 128x128 540x960 1080x1920',
    CONFIGS='configs/derain/sian_rain100h.py configs/derain/jdnet_rain100h.py configs/derain/nasnet_bsds.py '
    'configs/derain/mafnet_rain200h.py configs/derain/nafnet_photographs.py',
    PATHS='eager compiled graphs',
    BENCHMARK_ARGS='--sizes 1080x1920 --precision fp32 bf16 --repeats 10',
    TRAINING_ARGS='--sizes 128x128 --batches 8 32 --precision fp32 bf16 --repeats 10',
    PIPELINE_ARGS='--models nafnet sian --sizes 320x480 1080x1920 --batch-sizes 16 1 --seconds 3 --rounds 3 '
    '--no-processes',
    RECIPES='configs/derain/nafnet_photographs.py configs/derain/sian_photographs.py '
    'configs/derain/jdnet_photographs.py configs/derain/nasnet_photographs.py configs/derain/mafnet_photographs.py',
    RECIPE_ARGS='--cfg-options train_dataloader.num_workers=12',  # further arguments of tools/train.py
    RECIPE_WORK_DIR='work_dirs/gpu_recipes',
)
#: Largest size of state.pth in bytes: a little less than 16 MiB, so that the file is easy to send.
STATE_BYTES = 16 * 2**20 - 2**16
TIMED_OUT = 124  # exit code of the program `timeout` when the time is up
PART_DONE = 75  # exit code of the command `recipe` if the part is finished, but the training is not finished
THIS = [sys.executable, 'tools/dev/gpu_queue.py']
COMMANDS = dict(
    list='print the steps and their commands',
    status='print the state of each step',
    check='print the GPU, its memory, and the versions of Python, torch and CUDA',
    run='run steps that are not done',
    recipe='train a config for a limited time',
)


def setting(name: str) -> str:
    """Return a setting from the environment, or its default."""
    return os.environ.get(name, DEFAULTS[name])


@dataclass
class Step:
    """A step of the queue. If one of its commands fails, the next commands are still run, unless the time is up.

    Attributes:
        name: name of the step and of its folder.
        purpose: description of the step in one line.
        commands: maps the name of a JSON file, without suffix, to the command whose values this file contains.
    """

    name: str
    purpose: str
    commands: dict[str, list[str]]

    @property
    def folder(self) -> Path:
        """Return the folder for the results of this run."""
        return ROOT / setting('OUT') / self.name

    def find(self, *files: str) -> Path | None:
        """Return the path of the first of these files that exists, in this run or an earlier run, or None."""
        folders = (self.folder, ROOT / setting('EARLIER') / self.name)
        return next((folder / file for folder in folders for file in files if (folder / file).exists()), None)

    def state(self) -> str:
        """Return the name and the text of the file done, part or failed in one line, or 'to do' without a file."""
        path = self.find('done', 'part', 'failed')
        return f'{path.name}: {path.read_text().strip()}' if path else 'to do'


def tool(name: str, out: str, *options: str) -> list[str]:
    """Return the command that runs a script of tools/ and makes it write its results to a folder in $OUT.

    Args:
        name: path of the script in tools/, without suffix.
        out: path of the folder in $OUT, or of the file if the script writes one file.
        options: further arguments of the script.
    """
    path, folder = f'tools/{name}.py', f'{setting("OUT")}/{out}'
    return [sys.executable, path, '--device', setting('DEVICE'), *options, '--out', folder]


def all_steps() -> Iterator[Step]:
    """Yield the steps in their order."""
    configs = {Path(config).stem: config for config in setting('CONFIGS').split()}
    yield Step('check', 'print the GPU and the version of torch', {'check': [*THIS, 'check']})
    tests = [sys.executable, '-m', 'pytest', *setting('TESTS').split()]
    yield Step('tests', 'run the tests that need a GPU', {'tests': tests})
    attention = tool('dev/benchmark_attention', 'attention/attention', *setting('ATTENTION_ARGS').split())
    purpose = 'compare the results and speed of the Triton kernels with the loop in PyTorch'
    yield Step('attention', purpose, {'attention': attention})
    for name, config in configs.items():
        commands = {}
        for path in setting('PATHS').split():
            options = ['--reference', 'eager', '--paths', path, *setting('BENCHMARK_ARGS').split()]
            # The memory is measured in a new process. This process would have to compile the network again.
            options += ['--no-memory'] if path != 'eager' else []
            commands[path] = tool('benchmark', f'benchmark-{name}/{path}', config, *options)
        yield Step(f'benchmark-{name}', 'measure the speed of the network', commands)
    options = ['--train', '--reference', 'eager', '--no-memory', *setting('TRAINING_ARGS').split()]
    commands = {name: tool('benchmark', f'training/{name}', config, *options) for name, config in configs.items()}
    yield Step('training', 'measure the speed of training steps of all networks', commands)
    pipeline = tool(
        'analysis_tools/benchmark_inference', 'pipeline/pipeline/pipeline.json', *setting('PIPELINE_ARGS').split()
    )
    yield Step('pipeline', 'compare the pipeline of `mmderain derain` with the network alone', {'pipeline': pipeline})
    for config in setting('RECIPES').split():
        name = f'recipe-{Path(config).stem}'
        yield Step(name, 'train for one part', {name: [*THIS, 'recipe', config]})


def run_step(step: Step, device: str) -> bool:
    """Run the commands of a step within its time limit, and write the file done, part or failed.

    Returns:
        Whether all commands succeeded.
    """
    step.folder.mkdir(parents=True, exist_ok=True)
    for name in ('done', 'part', 'failed'):
        (step.folder / name).unlink(missing_ok=True)
    deadline = time.monotonic() + float(setting('LIMIT'))
    codes = []
    with open(step.folder / 'log.txt', 'w', encoding='utf-8') as log:
        for label, command in step.commands.items():
            if codes and codes[-1] == TIMED_OUT:
                break
            print(f'$ {shlex.join(command)}', file=log, flush=True)
            codes.append(run_limited(command, deadline - time.monotonic(), log))
            for file in (step.folder / label).glob('*.json'):
                file.replace(step.folder / f'{label}.json')
            shutil.rmtree(step.folder / label, ignore_errors=True)
    code = next(filter(None, codes), 0)
    lines = (step.folder / 'log.txt').read_text(encoding='utf-8', errors='replace').splitlines()
    last_line = next(line for line in reversed(lines) if line.strip())
    name, text = {
        0: ('done', f'{time.strftime("%F %T")} {device}'),
        PART_DONE: ('part', last_line),
        TIMED_OUT: ('failed', f'exit code {code} (time is up): {last_line}'),
    }.get(code, ('failed', f'exit code {code}: {last_line}'))
    with atomic_write(step.folder / name) as part:
        part.write_text(f'{text}\n')
    return code in (0, PART_DONE)


def run_limited(command: list[str], seconds: float, output: object = None) -> int:
    """Run a command, and return its exit code. If the time is up, end the command and return 124.

    The program ``timeout`` ends the whole process group. Therefore the processes of data loaders and tests end too.
    """
    end = time.monotonic() + seconds
    command = ['timeout', '--kill-after=10', f'{max(seconds, 1):.1f}', *command]
    # Without buffers, the log contains the lines of stdout and stderr in the order in which they were printed.
    environment = os.environ | {'PYTHONUNBUFFERED': '1'}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=output and subprocess.STDOUT)
    return TIMED_OUT if time.monotonic() > end else done.returncode


def check() -> int:
    """Print the versions, and in the last line the device. Return 1 if there is no GPU and DEVICE is not cpu."""
    import torch

    print(f'Python {platform.python_version()}, torch {torch.__version__}, CUDA {torch.version.cuda}')
    if setting('DEVICE') == 'cpu':
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        print(next((line.partition(': ')[2] for line in lines if line.startswith('model name')), platform.machine()))
    elif torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        print(f'{torch.cuda.get_device_name()}, {memory:.0f} GiB')
    else:
        print('error: torch finds no GPU; set DEVICE=cpu to try the queue without a GPU')
        return 1
    return 0


def train_part(config: str) -> int:
    """Train a config for TRAIN_SECONDS, and write state.pth. The next part continues from this file.

    Returns:
        The exit code:

        * 0 if the training is finished;
        * 75 if it has made progress;
        * 124 if it has saved no checkpoint in the given time;
        * the exit code of the training if it failed.
    """
    import torch

    from mmderain.engine.compact_state import compact_checkpoint, write_restored
    from mmderain.io import read_checkpoint

    step = Step(f'recipe-{Path(config).stem}', '', {})
    work_dir = ROOT / setting('RECIPE_WORK_DIR') / Path(config).stem
    latest, state = work_dir / 'last_checkpoint', step.find('state.pth')
    if state and not latest.exists():  # the previous part was trained on another machine
        write_restored(read_checkpoint(state), work_dir)
    before = latest.read_text() if latest.exists() else None
    command = [sys.executable, 'tools/train.py', config, '--work-dir', str(work_dir), '--resume']
    code = run_limited([*command, *shlex.split(setting('RECIPE_ARGS'))], float(setting('TRAIN_SECONDS')))
    after = latest.read_text() if latest.exists() else None
    if code == TIMED_OUT and after == before:
        print('error: the time was up before the next checkpoint; set a smaller default_hooks.checkpoint.interval')
        return TIMED_OUT
    if after:
        checkpoint = read_checkpoint(after)
        with atomic_write(step.folder / 'state.pth') as part, open(part, 'wb') as file:
            torch.save(compact_checkpoint(checkpoint, STATE_BYTES), file)
        if code in (0, TIMED_OUT):
            print(f'epoch {checkpoint["meta"]["epoch"]}, iteration {checkpoint["meta"]["iter"]}')
    return PART_DONE if code == TIMED_OUT else code


def run(steps: dict[str, Step]) -> int:
    """Run the steps that are not done. Return 1 if a step failed or if there is no GPU, else 0."""
    to_do = [step for step in steps.values() if not step.find('done')]
    checked = subprocess.run([*THIS, 'check'], cwd=ROOT, capture_output=True, text=True) if to_do else None
    if checked and checked.returncode:
        print(checked.stdout + checked.stderr, file=sys.stderr)
        return 1
    failed = False
    for name, step in steps.items():
        if step in to_do:
            failed |= not run_step(step, checked.stdout.splitlines()[-1])
        print(f'{name}: {step.state()}', flush=True)
    return int(failed)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name, summary in COMMANDS.items():
        commands.add_parser(name, doc=f'{summary[0].upper()}{summary[1:]}.', help=summary)
    text = 'names of the steps to run; the command `list` prints them (default: all steps)'
    commands.choices['run'].add_argument('steps', nargs='*', metavar='STEP', help=text)
    commands.choices['recipe'].add_argument('config', metavar='CONFIG', help='config to train')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int:
    """Run the command, and return its exit status."""
    if args.command == 'check':
        return check()
    if args.command == 'recipe':
        return train_part(args.config)
    steps = {step.name: step for step in all_steps()}
    if args.command == 'run':
        if unknown := set(args.steps) - set(steps):
            raise InputError(f'no step {", ".join(sorted(unknown))}; the steps are {", ".join(steps)}')
        return run({name: steps[name] for name in args.steps or steps})
    for number, step in enumerate(steps.values(), 1):
        print(f'{number:2} {step.name}: {step.purpose if args.command == "list" else step.state()}')
        if args.command == 'list':
            print(*(f'     {shlex.join(command)}' for command in step.commands.values()), sep='\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
