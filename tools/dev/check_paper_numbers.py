"""Look up the numbers of the papers' tables in the texts of the papers.

    python tools/dev/check_paper_numbers.py --papers DIR

The tool looks up all numbers in configs/derain/metafile_*.yml and in docs/en/peers/*.yml. DIR contains the texts that
were extracted from the PDF files of the papers: sian.txt, jdnet.txt, nasnet.txt and mafnet.txt. These texts are not
part of the project.

A number counts as found if the text contains it with the same digits near its table. The tool searches these lines:

* usually the lines after the caption of the table, up to the next caption, at most 25 lines;
* if `cells_above_caption` in docs/en/peers lists the table, the lines before the caption of the table, back to the
  previous caption, at most 25 lines.

If a table contains a number twice, the text must contain it twice. The tool does not check that a number is in the
right row.

For each table, the tool prints how many numbers it found. It prints a line for each number that it did not find. The
exit status is 1 if a number was not found and `checked_by_eye` in docs/en/peers does not list it.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml
from paper_tables import metafile_paths, peers_path

from mmderain.cli.command import CommandParser, command
from mmderain.errors import InputError
from mmderain.io import read_text

#: Largest number of lines between a caption and the cells of its table.
NEAR = 25
#: A caption stands at the start of a line or of a sentence: 'TABLE II: ...' or 'Table 2. ...'.
CAPTION = re.compile(r'(?:^|\. )(?:Table|TABLE) ([IVX]+|\d+)[:.] ')
#: A score such as 0.900, or a count such as 6,508,931. The extracted text of a count may contain spaces.
NUMBER = re.compile(r'\d{1,3}(?:, ?\d{3})+|\d+\.\d+')


class Number(NamedTuple):
    """One number of a table.

    Attributes:
        table: number of the table, such as ``'II'``.
        row: name of the method, or of the model in the metafile.
        text: the number as the paper prints it.
    """

    table: str
    row: str
    text: str


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--papers', type=Path, required=True, metavar='DIR', help='folder with the texts of the papers (required)'
    )
    return parser.parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> int:
    """Look up the numbers of each paper. Return 1 if a number is neither found nor checked by eye, else 0."""
    files = [(path, peers_path(path)) for path in metafile_paths()]
    texts = [read_paper(args.papers, peers.stem) for _, peers in files]
    missing = [
        number
        for (metafile, peers), text in zip(files, texts)
        for number in check_paper(yaml.safe_load(read_text(metafile)), yaml.safe_load(read_text(peers)), text)
    ]
    return 1 if missing else 0


def read_paper(folder: Path, name: str) -> str:
    """Return the text of a paper.

    Raises:
        InputError: the folder or the text does not exist.
    """
    if not folder.is_dir():
        raise InputError(f'{folder}: no such folder; --papers names the folder with the texts of the papers')
    path = folder / f'{name}.txt'
    if not path.is_file():
        raise InputError(f'{path}: no such file; it must contain the text of the paper on {name}')
    return read_text(path)


def check_paper(metafile: dict, peers: dict, text: str) -> list[Number]:
    """Look up the numbers of a paper in its text, and print the result for each table.

    Args:
        metafile: content of configs/derain/metafile_<name>.yml.
        peers: content of docs/en/peers/<name>.yml.
        text: text of the paper.

    Returns:
        The numbers that are not found, and that ``checked_by_eye`` does not list.
    """
    reasons = {(entry['table'], entry['number']): entry['reason'] for entry in peers['checked_by_eye']}
    open_numbers = []
    for source, numbers in (('metafile', metafile_numbers(metafile)), ('peers', peers_numbers(peers))):
        tables: dict[str, list[Number]] = {}
        for number in numbers:
            tables.setdefault(number.table, []).append(number)
        for table, wanted in tables.items():
            missing = not_found(wanted, lines_near(text, table, table in peers['cells_above_caption']))
            found = len(wanted) - len(missing)
            print(f'{peers["paper"]}, {source}, Table {table}: {found} of {len(wanted)} numbers found')
            for number in missing:
                reason = reasons.get((table, number.text))
                print(f'  {number.row}: {number.text} {f"checked by eye: {reason}" if reason else "not found"}')
                if not reason:
                    open_numbers.append(number)
    return open_numbers


def metafile_numbers(metafile: dict) -> Iterator[Number]:
    """Yield the numbers of a metafile, each once for every table that prints it."""
    for model in metafile['Models']:
        printed = model['Metadata'].get('Printed parameters')
        if printed:
            yield Number(printed['Table'], model['Name'], printed['Number'])
        for result in model['Results']:
            for table in result['Tables']:
                for score in result['Metrics'].values():
                    # An entry such as '2 (R3)' contains the number of the table and the name of the row.
                    yield Number(table.split(' ')[0], model['Name'], score)


def peers_numbers(peers: dict) -> Iterator[Number]:
    """Yield the numbers of a file in docs/en/peers."""
    for table in peers['tables']:
        for row in table['rows']:
            for scores in row['scores']:
                yield from (Number(table['table'], row['method'], score) for score in scores if score is not None)


def lines_near(text: str, table: str, above: bool) -> list[str]:
    """Return the lines of a paper that are near a table.

    Args:
        text: text of the paper.
        table: number of the table.
        above: whether the cells stand above the caption.

    Returns:
        The lines without the caption, empty if the text has no caption with this number.
    """
    lines = text.splitlines()
    captions = [(index, match[1]) for index, line in enumerate(lines) if (match := CAPTION.search(line))]
    own = next((index for index, number in captions if number == table), None)
    if own is None:
        return []
    if above:
        first = max((index + 1 for index, _ in captions if index < own), default=0)
        return lines[max(first, own - NEAR) : own]
    last = min((index for index, _ in captions if index > own), default=len(lines))
    return lines[own + 1 : min(last, own + 1 + NEAR)]


def not_found(numbers: list[Number], lines: list[str]) -> list[Number]:
    """Return the numbers that the lines do not contain. A number that is listed twice must be in the lines twice."""
    printed = Counter(match.replace(' ', '') for line in lines for match in NUMBER.findall(line))
    missing = []
    for number in numbers:
        if printed[number.text]:
            printed[number.text] -= 1
        else:
            missing.append(number)
    return missing


if __name__ == '__main__':
    sys.exit(main())
