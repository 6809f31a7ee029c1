"""Join the logs of several processes, and list the inputs that are missing or failed.

    mmderain merge-logs run.*.jsonl --inputs photos/
    mmderain merge-logs run.*.jsonl --inputs photos/ --out all.jsonl

The logs are those of `mmderain derain --log`. The inputs must have the same spelling as in that command, for example
photos/ or /data/photos. If several lines describe the same input, a line with a complete result counts. Otherwise, the
last line counts.

The exit status is 1 if an input is missing or failed. To derain these inputs, run `mmderain derain` again with
--existing skip.
"""

import argparse
import contextlib
import json
from pathlib import Path
from typing import TextIO

from mmderain.apis.plans import input_names
from mmderain.apis.run_log import read_log
from mmderain.io import atomic_write

from .command import ExpandPatterns

#: Number of inputs that are listed for each kind of problem.
SHOWN = 20


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``mmderain merge-logs``."""
    parser = commands.add_parser('merge-logs', doc=__doc__, help='join logs, and list the missing inputs')
    parser.add_argument('logs', nargs='+', type=Path, action=ExpandPatterns, metavar='LOG', help='log of one process')
    parser.add_argument(
        '--inputs',
        nargs='+',
        required=True,
        action=ExpandPatterns,
        metavar='INPUT',
        help='the input files and folders of the run (required)',
    )
    parser.add_argument(
        '--results',
        metavar='FOLDER',
        help='the folder for the results of the run, if it is in an input folder. The files in it are not inputs '
        '(default: all files in the input folders are inputs)',
    )
    parser.add_argument(
        '--out', type=Path, metavar='FILE', help='write one line for each input to this file (default: write nothing)'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the numbers of complete, failed and missing inputs, and the first failed and missing ones."""
    lines, failed = chosen_lines(args.logs)
    num_inputs = num_missing = num_failed = 0
    with contextlib.ExitStack() as stack:
        out = None
        if args.out is not None:
            out = stack.enter_context(open(stack.enter_context(atomic_write(args.out)), 'w', encoding='ascii'))
            copy_lines(args.logs, lines, out)
        for name, shard in input_names(args.inputs, args.results):
            num_inputs += 1
            if name in failed:
                num_failed += 1
                if num_failed <= SHOWN:
                    print(f'failed: {failed[name]}')
            elif name not in lines and (shard not in lines or shard in failed):
                num_missing += 1
                if num_missing <= SHOWN:
                    print(f'missing: {name}')
                if out is not None:
                    out.write(json.dumps(dict(status='missing', input=name)) + '\n')
    hidden = max(0, num_failed - SHOWN) + max(0, num_missing - SHOWN)
    if hidden:
        print(f'... and {hidden} more; --out FILE lists all of them')
    num_complete = num_inputs - num_missing - num_failed
    print(f'{num_complete} of {num_inputs} inputs are complete, {num_failed} failed, {num_missing} are missing')
    if num_missing == num_inputs and lines:
        print(f'the logs name other inputs, such as {next(iter(lines))}; give --inputs in the same spelling')
    return 1 if num_missing or num_failed else 0


def chosen_lines(logs: list[Path]) -> tuple[dict[str, int], dict[str, str]]:
    """Choose a line for each input: the last complete one, or the last one if no line is complete.

    Args:
        logs: the logs.

    Returns:
        Two dicts. The first dict maps each input to the number of its line, counted over all logs. The second dict maps
        each failed input to its error message.
    """
    lines: dict[str, int] = {}
    failed: dict[str, str] = {}
    for number, entry in enumerate(entry for log in logs for entry in read_log(log)):
        name = entry['input']
        if entry.get('status') in ('ok', 'skipped'):
            lines[name] = number
            failed.pop(name, None)
        elif entry.get('status') in ('missing', 'partial'):  # --out writes missing inputs; other processes end videos
            continue
        elif name not in lines or name in failed:
            lines[name] = number
            failed[name] = str(entry.get('error'))
    return lines, failed


def copy_lines(logs: list[Path], lines: dict[str, int], out: TextIO) -> None:
    """Write the chosen line of each input, in the order of the logs."""
    for number, entry in enumerate(entry for log in logs for entry in read_log(log)):
        if lines.get(entry['input']) == number:
            out.write(json.dumps(entry) + '\n')
