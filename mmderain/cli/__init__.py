"""The command ``mmderain``. Each sub-command is a module of this package.

Each of these modules has a function ``add_parser(commands)``, which adds the parser of the sub-command. The parser has
the default ``run``: the function that :func:`main` calls with the parsed arguments.
"""

import argparse
from collections.abc import Sequence

from mmderain import __version__

from . import cache, convert, derain, joint_test, merge_logs, models, rain, scene, web
from .command import CommandParser, command

#: The modules of the sub-commands, in the order of the help text.
MODULES = (derain, merge_logs, scene, rain, joint_test, models, convert, cache, web)

EPILOG = """examples:
  mmderain derain rainy.jpg --out derained
  mmderain derain holiday/ video.mp4 --out derained --precision fp32
  mmderain detect demo/street/*.jpg --out detected
  mmderain segment rainy_street.jpg --rain none --out segmented
  mmderain rain photos rainy --rain light+drops:2
  mmderain web

exit status:
  0    success
  1    an error; the command prints its message
  2    wrong arguments
  130  interrupted by Ctrl+C

`mmderain COMMAND --help` lists the options of a command.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mmderain``, with the parsers of all sub-commands."""
    doc = (
        'Derain images and videos, draw synthetic rain, and measure the effect of rain on detectors and segmentors.'
        f'\n\n{EPILOG}'
    )
    parser = CommandParser(doc, prog='mmderain')
    parser.add_argument('--version', action='version', version=f'mmderain {__version__}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True, parser_class=CommandParser)
    for module in MODULES:
        module.add_parser(commands)
    for subparser in commands.choices.values():
        subparser.set_defaults(parser=subparser)
    return parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args, unknown = build_parser().parse_known_args(argv)
    if unknown:
        # The parser of the sub-command reports the error, and shows the usage of the sub-command. argparse alone would
        # show the usage of `mmderain`.
        args.parser.error(f'unrecognized arguments: {" ".join(unknown)}')
    return args


@command(parse_args)
def main(args: argparse.Namespace) -> int | None:
    """Run a sub-command and return the exit status."""
    return args.run(args)
