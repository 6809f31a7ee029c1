"""Every option for a checkpoint has one type, which refuses empty paths and checks addresses."""

import argparse
import re
from pathlib import Path

import pytest
from conftest import ROOT, load_tool

from mmderain import cli


class Parsed(Exception):  # noqa: N818 (raised to stop a program after it has made its parser)
    """Exception that carries the parser of a program."""


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of all programs and of their sub-commands, keyed by name."""
    found = {}
    scripts = [*(ROOT / 'tools').glob('*.py'), *(ROOT / 'tools/dev').glob('*.py'), *(ROOT / 'demo').glob('*.py')]
    pending = {'mmderain': cli.build_parser()}
    with pytest.MonkeyPatch.context() as patch:

        def stop(parser, *_):
            raise Parsed(parser)

        patch.setattr(argparse.ArgumentParser, 'parse_known_args', stop)
        for path in scripts:
            if 'CommandParser(' not in path.read_text():
                continue
            folder = path.relative_to(ROOT / 'tools') if 'tools' in path.parts else Path('../demo', path.name)
            try:
                load_tool(str(folder.with_suffix(''))).main([])
            except Parsed as parsed:
                pending[path.name] = parsed.args[0]
    while pending:
        name, parser = pending.popitem()
        found[name] = parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                pending |= {f'{name} {key}': value for key, value in action.choices.items()}
    return found


def test_every_option_for_a_checkpoint_has_the_type_checkpoint_file():
    named = re.compile(r'(^|[-_ ])(weights|checkpoint|load|resume)')
    wrong, right = [], []
    for name, parser in parsers().items():
        for action in parser._actions:
            words = [action.dest, *action.option_strings]
            if action.nargs == 0 or not any(named.search(word) for word in words):
                continue
            kind = getattr(action.type, '__name__', None)
            (right if kind == 'checkpoint_file' else wrong).append(f'{name} {action.dest}')
    # This option names a folder of weights, not a checkpoint.
    assert wrong == ['bundle_weights.py weights'] and len(right) >= 15


# --- configs -------------------------------------------------------------------------------------
