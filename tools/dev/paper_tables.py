"""Write docs/en/paper_tables.md from the metafiles of configs/derain.

python tools/dev/paper_tables.py
"""

import sys
from pathlib import Path

import yaml

from mmderain.cli.command import CommandParser, command
from mmderain.io import atomic_write, read_text

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/en/paper_tables.md'
HEAD = """# The papers' tables, row by row

The tables list every row in which the four papers report their own method, and the config that reproduces it. The head
of a column names the protocol of its scores ([definitions](metrics.md)). Every score has the digits that the paper
prints. If two tables print the same model with different digits, each has its own row here. Scores of this project are
given only where the config was run unchanged. If a row says "weights of X", its config only tests the weights that the
config X trained.

`python tools/dev/paper_tables.py` makes this page from `configs/derain/metafile_*.yml`.
"""


@command(CommandParser(__doc__).parse_args)
def main(args) -> None:
    """Write the page."""
    with atomic_write(PAGE) as part:
        part.write_text(page(), encoding='utf-8')
    print(PAGE)


def page() -> str:
    """Return the page as Markdown."""
    lines = [HEAD]
    for path in metafile_paths():
        metafile = yaml.safe_load(read_text(path))
        lines += network_lines(metafile)
    return '\n'.join(lines)


def metafile_paths() -> list[Path]:
    """Return the metafiles in the order of model-index.yml."""
    return [ROOT / path for path in yaml.safe_load(read_text(ROOT / 'model-index.yml'))['Import']]


def network_lines(metafile: dict) -> list[str]:
    """Return the head of a network's section and the table of its own scores."""
    collection, models = metafile['Collections'][0], metafile['Models']
    protocols = list(models[0]['Results'][0]['Metrics'])
    lines = [f'## {collection["Name"]}', '', f'[{collection["Paper"]["Title"]}]({collection["Paper"]["URL"]})', '']
    lines += [f'| table | variant | data set | paper: {" / ".join(protocols)} | ours | config |', '|---' * 6 + '|']
    for model in models:
        meta = model['Metadata']
        config = config_link(model['Name'])
        if 'Weights of' in meta:
            config += f', weights of {meta["Weights of"]}'
        for result in model['Results']:
            tables = list(result['Tables'])
            if 'Printed parameters' in meta and result is model['Results'][0]:
                tables.append('{Table} ({Number} parameters)'.format(**meta['Printed parameters']))
            paper, ours = (
                ' / '.join(scores[p] for p in protocols if p in scores)
                for scores in (result['Metrics'], result.get('Ours', {}))
            )
            cells = [', '.join(tables), meta['Variant'], result['Dataset'], paper, ours, config]
            lines.append(f'| {" | ".join(cells)} |')
    return [*lines, '']


def config_link(name: str) -> str:
    """Return a Markdown link from the page to a config of configs/derain."""
    return f'[{name}](../../configs/derain/{name}.py)'


if __name__ == '__main__':
    sys.exit(main())
