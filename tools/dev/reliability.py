"""Run one of the long tests whose results are on the page docs/en/reliability.md, or write this page.

    python tools/dev/reliability.py training-kills --number 100
    python tools/dev/reliability.py page

A long test is called a campaign. The first command runs a campaign, and appends its result to
docs/en/reports/reliability.json, with the date and the machine. The second command writes docs/en/reliability.md from
all results in this file. The campaigns are:

    training-kills       kill trainings at random moments and resume them; compare the final weights with those of a
                         training without interruption
    training-kills-2     like training-kills, but each training runs in two processes
    inference-kills      kill `mmderain derain` at random moments and run it again; compare the result files with those
                         of a call without interruption
    mutations            read damaged files of all supported formats
    web-users            serve the web page to many simulated users at the same time
    endurance-inference  derain a folder again and again; record the memory, the open files and the temporary files
    endurance-training   train a small network for a long time; record the same values as endurance-inference
"""

import argparse
import datetime
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial

from campaigns import endurance, kills, mutations, page, web_users
from campaigns.common import ROOT, prepare_process

from mmderain.cli.command import CommandParser, command
from mmderain.engine.machine import processor_name
from mmderain.io import atomic_write

RESULTS = ROOT / 'docs/en/reports/reliability.json'
#: Maps the name of a campaign to its function, the default argument of the function, and the unit of this argument.
CAMPAIGNS: dict[str, tuple[Callable[[float], dict], float, str]] = {
    'training-kills': (kills.training, 80, 'kills'),
    'training-kills-2': (partial(kills.training, processes=2), 20, 'kills'),
    'inference-kills': (kills.inference, 50, 'kills'),
    'mutations': (mutations.campaign, 2000, 'files'),
    'web-users': (web_users.campaign, 5, 'minutes'),
    'endurance-inference': (endurance.inference, 60, 'minutes'),
    'endurance-training': (endurance.training, 60, 'minutes'),
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        'campaign',
        choices=[*CAMPAIGNS, 'page'],
        metavar='CAMPAIGN',
        help=f'one of {", ".join(CAMPAIGNS)}, see below; page: write the page',
    )
    defaults = ', '.join(f'{name} {number:g} {unit}' for name, (_, number, unit) in CAMPAIGNS.items())
    parser.add_argument(
        '--number',
        type=float,
        metavar='N',
        help='length of the campaign: the number of kills, the number of damaged files, or the duration in minutes '
        f'(default: {defaults})',
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Run a campaign, or write the page."""
    if args.campaign == 'page':
        page.write(json.loads(RESULTS.read_text()))
        return
    prepare_process()
    function, default, _ = CAMPAIGNS[args.campaign]
    number = default if args.number is None else args.number
    result = function(number)
    append(dict(campaign=args.campaign, date=f'{datetime.date.today()}', machine=processor_name(), **result))
    print(json.dumps({key: value for key, value in result.items() if key != 'records'}))


def append(result: dict) -> None:
    """Append a result of a campaign to reliability.json."""
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
    with atomic_write(RESULTS) as part:
        part.write_text(json.dumps([*results, result], indent=1) + '\n')


if __name__ == '__main__':
    sys.exit(main())
