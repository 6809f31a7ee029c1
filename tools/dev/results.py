"""Make the page of results and the tables of the model card from the files in docs/results.

    python tools/dev/results.py

The tool writes docs/en/results.md, the table between two marks in mmderain/weights/README.md, and the list of authors
in mmderain/weights/ATTRIBUTION.md. It reads these files:

    docs/results/derainers.json    scores of the derainers, written by tools/dev/measure_derainers.py
    docs/results/joint_*.json      joint tests: results.json in the folder --out of tools/joint_test.py
    docs/results/others.json       other measurements, with the command and the page of each
    docs/results/page.md.in        the text of the page; {NAME} is replaced by the table NAME
    mmderain/weights/photographs.csv    the training photographs, with authors and licenses
"""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mmderain.cli.command import CommandParser, command
from mmderain.errors import InputError
from mmderain.io import atomic_write, read_text

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / 'docs/results'
PAGE = ROOT / 'docs/en/results.md'
CARD = ROOT / 'mmderain/weights/README.md'
ATTRIBUTION = ROOT / 'mmderain/weights/ATTRIBUTION.md'
BEGIN, END = '<!-- table of tools/dev/results.py -->', '<!-- end of the table -->'

#: Maps the name of each test set to its description in the tables.
TITLES = {
    'rain100h': '20 test pairs of Rain100H',
    'rain100l': '21 test pairs of Rain100L',
    'bsds_heavy': '41 photographs of BSDS500 with `heavy` rain',
    'bsds_light': 'the same photographs with `light` rain',
    'held_out_heavy': '32 held-out photographs with `heavy` rain',
    'held_out_light': 'the same photographs with `light` rain',
    'held_out_drops': 'the same photographs with `drops`',
    'held_out_mist': 'the same photographs with `mist+varied-light`',
    'held_out_dry': 'the same photographs without rain',
    'camvid_dry': '39 test images of CamVid without rain',
}
#: Titles of the columns that are not names of derainers.
COLUMNS = {'rainy': 'rainy', 'median': 'median blur', 'authors': "SIAN, its authors' weights"}


def read_json(name: str) -> dict:
    """Return the content of a file in docs/results."""
    path = RESULTS / name
    if not path.is_file():
        raise InputError(f'{path}: not found; tools/dev/measure_derainers.py writes it')
    return json.loads(read_text(path))


def derainer_table() -> str:
    """Return the table of the derainers, with a row for each test set."""
    sets = read_json('derainers.json')['sets']
    names = dict.fromkeys(column for entry in sets.values() for column in entry['scores'])
    # The weights of the authors stand in the last column.
    columns = sorted(names, key=lambda column: column == 'authors')
    titles = [COLUMNS.get(column, f'`{column}`') for column in columns]
    lines = [f'| images | {" | ".join(titles)} |', '|---' * (len(columns) + 1) + '|']
    for name in (name for name in TITLES if name in sets):
        cells = [score_cell(sets[name]['scores'].get(column)) for column in columns]
        lines.append(f'| {TITLES[name]} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def score_cell(scores: Sequence[float] | None) -> str:
    """Return the cell of a PSNR and an SSIM; it is empty if nothing was measured."""
    if scores is None:
        return ''
    return 'unchanged' if scores[0] == 100 else f'{scores[0]:.2f} / {scores[1]:.4f}'


def lamp_table() -> str:
    """Return the table of the changes of the street lamp."""
    lamp = read_json('derainers.json')['lamp']
    lines = ['| derainer | mean absolute change, of 255 |', '|---|---|']
    return '\n'.join([*lines, *(f'| `{name}` | {value:.2f} |' for name, value in lamp.items())])


def joint_table(name: str) -> str:
    """Return the table of a joint test: the accuracy on clean images, and for each rain without and with derainers."""
    content = read_json(f'joint_{name}.json')
    rows = content['rows']
    metric = next(metric for metric in ('coco/bbox_mAP', 'mIoU') if metric in rows[0]['metrics'])
    factor = 100 if metric.startswith('coco/') else 1
    clean = factor * rows[0]['metrics'][metric]
    lines = [f'| rain | image | PSNR-Y | {"mIoU" if factor == 1 else "AP"} | 95% | recovery |', '|---' * 6 + '|']
    rainy = clean
    for row in rows:
        value = factor * row['metrics'][metric]
        rainy = value if row['treatment'] == 'rainy' else rainy
        share = ''
        if row['rain'] and row['treatment'] != 'rainy' and clean - rainy >= 1:
            share = f'{100 * (value - rainy) / (clean - rainy):.0f}%'
        bounds = ' to '.join(f'{factor * bound:.1f}' for bound in row['interval'] or ())
        psnr = '' if row['psnr'] is None else f'{row["psnr"]:.2f}'
        lines.append(f'| {row["rain"] or ""} | {row["treatment"]} | {psnr} | {value:.1f} | {bounds} | {share} |')
    return '\n'.join(lines)


def others_table() -> str:
    """Return the table of the other measurements."""
    lines = ['| what was measured | result | page |', '|---|---|---|']
    return '\n'.join(
        [*lines, *(f'| {row["what"]} | {row["result"]} | {row["page"]} |' for row in read_json('others.json'))]
    )


def others_commands() -> str:
    """Return the commands of the other measurements as a block of code."""
    blocks = [f'# {row["title"]}\n{row["command"]}' for row in read_json('others.json') if 'command' in row]
    return '\n\n'.join(blocks)


def page() -> str:
    """Return the page of results."""
    text = read_text(RESULTS / 'page.md.in')
    tables = dict(derainers=derainer_table, lamp=lamp_table, others=others_table, commands=others_commands)
    for name, table in tables.items():
        text = text.replace(f'{{{name}}}', table())
    for path in sorted(RESULTS.glob('joint_*.json')):
        name = path.stem.removeprefix('joint_')
        text = text.replace(f'{{joint {name}}}', joint_table(name))
    return text


def card() -> str:
    """Return the model card with a new table."""
    head, _, rest = read_text(CARD).partition(BEGIN)
    return f'{head}{BEGIN}\n\n{derainer_table()}\n\n{END}{rest.partition(END)[2]}'


def attribution() -> str:
    """Return the list of the authors of the training photographs, for each license that is not the public domain."""
    with open(ROOT / 'mmderain/weights/photographs.csv', newline='', encoding='utf-8') as file:
        rows = [row for row in csv.DictReader(file) if row['use'] == 'training']
    free = {'public-domain', 'CC0-1.0'}
    lines = [
        '# Authors of the training photographs',
        '',
        'The bundled derainers `nafnet`, `rain-all` and `nasnet` were trained on these photographs, with rain drawn',
        'over them.',
        '[photographs.csv](photographs.csv) lists each photograph. [Bundled models](README.md) lists those of',
        f'`sian`. Further {sum(row["licence"] in free for row in rows)} photographs are in the public domain or under '
        'CC0-1.0.',
    ]
    for license_name in sorted({row['licence'] for row in rows} - free):
        those = [row for row in rows if row['licence'] == license_name]
        authors = ', '.join(sorted({row['author'] for row in those}))
        lines += ['', f'## {license_name}', '', f'{len(those)} photographs: {authors}']
    return '\n'.join(lines) + '\n'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    return CommandParser(__doc__).parse_args(argv)


@command(parse_args)
def main(args: argparse.Namespace) -> None:
    """Write the page, the card and the list of authors."""
    for path, text in ((PAGE, page()), (CARD, card()), (ATTRIBUTION, attribution())):
        with atomic_write(path) as part:
            part.write_text(text, encoding='utf-8')
        print(path)


if __name__ == '__main__':
    sys.exit(main())
