"""Write the tables of docs/en/model_zoo.md from the index of the models and from the metafiles in configs/derain.

    python tools/dev/model_zoo.py

The index is mmderain/weights/index.json. The tool replaces the text between the two comments of the page.
"""

import argparse
import re
import sys
from pathlib import Path

import yaml

from mmderain.cli.command import CommandParser, command
from mmderain.hub import named_models
from mmderain.io import atomic_write, read_text

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/en/model_zoo.md'
BEGIN, END = '<!-- models: python tools/dev/model_zoo.py writes this part -->', '<!-- end of models -->'


@command(CommandParser(__doc__).parse_args)
def main(args: argparse.Namespace) -> None:
    """Write the page."""
    text = page(read_text(PAGE))
    with atomic_write(PAGE) as part:
        part.write_text(text, encoding='utf-8')
    print(PAGE)


def page(text: str) -> str:
    """Return the page with new tables.

    Args:
        text: the page with old tables.
    """
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f'{head}{BEGIN}\n\n{tables()}\n{END}{tail}'


def tables() -> str:
    """Return the tables of the models with bundled and with published weights."""
    paper = paper_scores()
    bundled = ['| name | kind | description | license | config |', '|---|---|---|---|---|']
    published = [
        '| name | trained by | license | scores of these weights | scores in the paper |',
        '|---|---|---|---|---|',
    ]
    for entry in named_models().values():
        if entry.file is not None:
            cells = [f'`{entry.name}`', entry.kind, entry.about, entry.license, f'`{entry.config}`']
            bundled.append(f'| {" | ".join(cells)} |')
        else:
            source = re.sub(r'(https://\S+)', r'[\1](\1)', entry.source)
            if entry.url is None:
                source += f'; first download FILE, then run `mmderain convert {entry.format} FILE --name {entry.name}`'
            cells = [f'`{entry.name}`', source, entry.license, entry.scores, paper.get(entry.name, '')]
            published.append(f'| {" | ".join(cells)} |')
    return '\n'.join(
        [
            *bundled,
            '',
            'The weights of these models are downloaded at the first use, unless the table says otherwise:',
            '',
            *published,
            '',
        ]
    )


def paper_scores() -> dict[str, str]:
    """Return the scores that the papers print, keyed by the name of the config."""
    scores = {}
    for path in sorted((ROOT / 'configs/derain').glob('metafile_*.yml')):
        for model in yaml.safe_load(read_text(path))['Models']:
            result = model['Results'][0]
            metrics = ', '.join(f'{name} {value}' for name, value in result['Metrics'].items())
            scores[model['Name']] = f'{result["Dataset"]}: {metrics}'
    return scores


if __name__ == '__main__':
    sys.exit(main())
