"""Find the code blocks of Markdown files, and check the commands in them."""

import argparse
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from string import Template
from unittest import mock

from conftest import ROOT, load_tool

from mmderain import cli

PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs/en').rglob('*.md')), ROOT / 'configs/derain/README.md']
BLOCK = re.compile(r'^( *)```(\w+)\n(.*?)^\1```$', re.M | re.S)
LINK = re.compile(r'(?<=]\()(?!\w+:|#)([^)\s#]+)(?=[)\s#])')
ASSIGNMENT = re.compile(r'(\w+)=(.*)', re.S)
#: Commands of the shell and of the system. Their arguments are not checked.
ALLOWED = {'source', 'cd', 'git', 'export', 'docker'}
#: Maps a launcher to the tool that it starts, and to the positions of the arguments that it does not pass to the tool.
LAUNCHERS = {
    'tools/dist_train.sh': ('train', [1]),
    'tools/dist_test.sh': ('test', [2]),
    'tools/slurm_train.sh': ('train', [0, 1]),
    'tools/slurm_test.sh': ('test', [0, 1]),
    'tools/dev/gpu_queue.sh': ('dev/gpu_queue', []),
    'tools/dev/train_bundled.sh': ('dev/training_queue', []),
}
check_choice = argparse.ArgumentParser._check_value


class WrongCommand(Exception):
    """Raised for a command that is not valid."""


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page that are marked with a language."""
    return [code for _, kind, code in BLOCK.findall(page.read_text(encoding='utf-8')) if kind == language]


def write_named_blocks(page: Path, folder: Path) -> list[Path]:
    """Write each Python block that begins with a file name, such as ``# my_config.py``, to a file of this name.

    Args:
        page: a Markdown file.
        folder: the folder in which the reader would write the files.

    Returns:
        The paths of the written files.
    """
    paths = []
    for code in blocks(page, 'python'):
        if name := re.match(r'# ([\w/]+\.py)\n', code):
            path = folder / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, encoding='utf-8')
            paths.append(path)
    return paths


def commands(script: str) -> Iterator[list[str]]:
    """Yield each command of a script as a list of its words.

    Comments are removed, continued lines are joined, and variables are replaced by their values.
    """
    variables: dict[str, str] = {}
    for line in script.replace('\\\n', ' ').splitlines():
        words = shlex.split(Template(line).substitute(variables), comments=True)
        assigned = list(itertools.takewhile(ASSIGNMENT.fullmatch, words))
        if assigned == words:
            variables |= dict(ASSIGNMENT.fullmatch(word).groups() for word in words)
        else:
            yield words[len(assigned) :]


def placeholder_or_choice(parser: argparse.ArgumentParser, action: argparse.Action, value: object) -> None:
    """Check a choice as argparse does, but accept a word in capitals, which is a placeholder."""
    if not (isinstance(value, str) and value.isupper()):
        check_choice(parser, action, value)


def check(words: list[str]) -> None:
    """Parse a command with the parser of its tool. Words in capitals are placeholders, which every option accepts.

    Raises:
        WrongCommand: an option, target, extra or file does not exist, or the command is unknown.
    """
    for word in words:
        if re.match(r'(configs|demo|tools)/', word) and not list(ROOT.glob(word)):
            raise WrongCommand(f'{word}: no such file')
    command, *arguments = words
    if command in ALLOWED:
        return
    checks = dict(python=check_python, bash=check_bash, mmderain=check_mmderain, make=check_make, pip=check_pip)
    checks |= dict(torchrun=check_launched, srun=check_launched)
    if command not in checks:
        raise WrongCommand(f'{command}: unknown command')
    try:
        with mock.patch.object(argparse.ArgumentParser, '_check_value', placeholder_or_choice):
            checks[command](*arguments)
    except (SystemExit, argparse.ArgumentError) as error:
        if getattr(error, 'code', 2):  # the code is 0 after --help
            raise WrongCommand(f'{shlex.join(words)}: its parser refuses it') from error


def check_python(script: str, *arguments: str) -> None:
    if not re.fullmatch(r'(tools|demo)/.+\.py', script):
        raise WrongCommand(f'python {script}: expected a script of tools/ or demo/')
    path = script.removesuffix('.py')
    load_tool(path.removeprefix('tools/') if path.startswith('tools/') else f'../{path}').parse_args(list(arguments))


def check_bash(script: str, *arguments: str) -> None:
    if script not in LAUNCHERS:
        raise WrongCommand(f'bash {script}: expected one of {", ".join(LAUNCHERS)}')
    tool, own = LAUNCHERS[script]
    load_tool(tool).parse_args([word for i, word in enumerate(arguments) if i not in own])


def check_mmderain(*arguments: str) -> None:
    cli.parse_args(list(arguments))


def check_launched(*arguments: str) -> None:
    """Check `torchrun OPTIONS -m mmderain.cli ...` and `srun OPTIONS mmderain ...`. OPTIONS are not checked."""
    names = [word for word in arguments if word in ('mmderain', 'mmderain.cli')]
    if not names:
        raise WrongCommand(f'{shlex.join(arguments)}: expected mmderain or -m mmderain.cli')
    check_mmderain(*arguments[arguments.index(names[0]) + 1 :])


def check_make(*arguments: str) -> None:
    makefile = (ROOT / 'Makefile').read_text()
    for word in arguments:
        name, is_variable, _ = word.partition('=')
        if not re.search(rf'^{name} \?=' if is_variable else rf'^{name}:.*##', makefile, re.M):
            raise WrongCommand(f'make {word}: neither a target nor a variable of the Makefile')


def check_pip(action: str, *arguments: str) -> None:
    if action not in ('install', 'wheel', 'download'):
        raise WrongCommand(f'pip {action}: unknown')
    project = (ROOT / 'pyproject.toml').read_text()
    lock = (ROOT / 'requirements/lock.txt').read_text()
    for word in arguments:
        if extras := re.fullmatch(r'(?:\.|mmderain)\[(.+)\]', word):
            for extra in extras[1].split(','):
                if not re.search(rf'^{extra} = \[', project, re.M):
                    raise WrongCommand(f'pip {action} {word}: pyproject.toml has no extra {extra!r}')
        elif '==' in word and not re.search(rf'^{re.escape(word)}(?: ;|$)', lock, re.M):
            raise WrongCommand(f'pip {action} {word}: not the version of requirements/lock.txt')
