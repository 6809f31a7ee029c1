"""The command ``mmderain``: one module for each sub-command.

A module has ``add_parser(commands)``, which adds its parser and sets the function ``run`` of parsed arguments.
"""

import argparse
from collections.abc import Sequence

from mmderain import __version__

from . import derain, joint_test, models, rain, scene, web
from .command import CommandParser, command

#: In the order of the help text.
MODULES = (derain, scene, rain, joint_test, models, web)

EPILOG = """exit status: 0 success, 1 an error, which the last lines name, 2 wrong arguments

examples:
  mmderain derain rainy.jpg --out derained
  mmderain derain holiday/ video.mp4 --out derained --precision fp32
  mmderain detect demo/street/*.jpg --out detected
  mmderain segment rainy_street.jpg --rain none --out segmented
  mmderain rain photos rainy --rain light+drops:2
  mmderain web

`mmderain COMMAND --help` lists the options of a command.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    doc = f'Derain images and videos, draw synthetic rain, and measure what rain does to detectors.\n\n{EPILOG}'
    parser = CommandParser(doc, prog='mmderain')
    parser.add_argument('--version', action='version', version=f'mmderain {__version__}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True, parser_class=CommandParser)
    for module in MODULES:
        module.add_parser(commands)
    for own in commands.choices.values():
        own.set_defaults(parser=own)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args, unknown = build_parser().parse_known_args(argv)
    if unknown:
        # The error shows the usage of the sub-command; argparse itself would show that of `mmderain`.
        args.parser.error(f'unrecognized arguments: {" ".join(unknown)}')
    return args


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Run a command and return the exit status."""
    return args.run(args)
