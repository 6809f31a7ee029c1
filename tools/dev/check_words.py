"""Check that the files of the project contain none of the words that tools/dev/words.yml refuses.

    python tools/dev/check_words.py

words.yml lists refused identifiers and refused phrases. In Python files, the tool checks all names that the code
defines or assigns, and searches all strings and comments for the phrases. In Markdown, shell, YAML, TOML and CITATION
files, it searches the whole text for the phrases. For each refused word, it prints a line that says what to write
instead. The exit status is 1 if it finds a refused word.
"""

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import yaml

from mmderain.cli.command import CommandParser, command
from mmderain.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
#: Suffixes of the checked files that are not Python files. Their whole text is searched for phrases.
TEXT_SUFFIXES = ('.md', '.sh', '.yml', '.yaml', '.toml', '.cff')


@dataclass(frozen=True)
class Finding:
    """A refused word.

    Attributes:
        path: the file, relative to the checkout.
        line: line number, from 1.
        word: the text that was found.
        rule: the entry of words.yml that refuses this text.
        instead: what to write instead.
    """

    path: str
    line: int
    word: str
    rule: str
    instead: str

    def __str__(self) -> str:
        return f'{self.path}:{self.line}: {self.word!r}; write instead: {self.instead}'


class WordList:
    """The lists of words.yml.

    Args:
        content: a mapping with ``identifiers``, ``names``, ``phrases`` and ``exceptions``. The first three map a
            refused text to what to write instead.

    Raises:
        InputError: an entry of ``exceptions`` gives no reason.
    """

    def __init__(self, content: dict) -> None:
        self.parts: dict[str, str] = content['identifiers']
        self.names: dict[str, str] = content['names']
        self.phrases = {
            text: (re.compile(rf'\b{text}\b'.replace(' ', r'[\s#]+'), re.IGNORECASE), instead)
            for text, instead in content['phrases'].items()
        }
        self.exceptions: list[dict] = content['exceptions']
        for exception in self.exceptions:
            if not exception.get('reason'):
                raise InputError(f'words.yml: the exception for {exception.get("path")!r} gives no reason')

    def refused_name(self, name: str) -> tuple[str, str] | None:
        """Return the rule that refuses an identifier, and what to write instead. Return None if no rule refuses it."""
        if name in self.names:
            return name, self.names[name]
        for part in split_identifier(name):
            if part in self.parts:
                return part, self.parts[part]
        return None

    def allows(self, finding: Finding) -> bool:
        """Return whether an entry of ``exceptions`` allows a finding."""
        return any(
            fnmatch(finding.path, exception['path']) and any(fnmatch(finding.rule, word) for word in exception['words'])
            for exception in self.exceptions
        )


def split_identifier(name: str) -> list[str]:
    """Return the parts of an identifier in lower case: ``'DrawSampler'`` gives ``['draw', 'sampler']``."""
    return [part.lower() for part in re.findall(r'[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+', name)]


def identifiers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield each name that a module defines or assigns, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname, node.lineno


def prose(text: str, tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the strings and comments of a module, each with its first line number.

    Comments in successive lines are one text.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno
    block, first, last = [], 0, -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1 and block:
            yield '\n'.join(block), first
            block = []
        if not block:
            first = token.start[0]
        block.append(token.string)
        last = token.start[0]
    if block:
        yield '\n'.join(block), first


def check_file(path: str, text: str, words: WordList) -> list[Finding]:
    """Return the findings in a file, without those that an entry of ``exceptions`` allows.

    Args:
        path: the file, relative to the checkout.
        text: its content.
        words: the lists of refused words.
    """
    found, texts = [], [(text, 1)]
    if path.endswith('.py'):
        tree = ast.parse(text)
        texts = list(prose(text, tree))
        for name, line in identifiers(tree):
            refused = words.refused_name(name)
            if refused is not None:
                found.append(Finding(path, line, name, *refused))
    for part, first in texts:
        for rule, (pattern, instead) in words.phrases.items():
            for match in pattern.finditer(part):
                line = first + part.count('\n', 0, match.start())
                found.append(Finding(path, line, match.group(), rule, instead))
    return sorted((f for f in found if not words.allows(f)), key=lambda finding: finding.line)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument('files', nargs='*', metavar='FILE', help='files to check (default: all files of the project)')
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int:
    """Check the files and return 1 if a refused word was found."""
    words = WordList(yaml.safe_load((ROOT / 'tools/dev/words.yml').read_text(encoding='utf-8')))
    names = args.files or subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    names = [str(Path(name)) for name in names if name.endswith(('.py', *TEXT_SUFFIXES))]
    found = [
        finding
        for name in names
        if (ROOT / name).is_file()
        for finding in check_file(name, (ROOT / name).read_text(encoding='utf-8'), words)
    ]
    for finding in found:
        print(finding)
    print(f'{len(names)} files, {len(found)} refused words')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
