"""Write docs/en/paper_tables.md from the metafiles of configs/derain.

python tools/dev/paper_tables.py
"""

import sys
from pathlib import Path

import yaml

from mmderain.cli.command import CommandParser, command
from mmderain.io import atomic_write

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/en/paper_tables.md'
HEAD = """# The papers' tables, row by row

The tables list every row in which the four papers report their own method, and the config that reproduces it. The head
of a column names the protocol of its scores ([definitions](metrics.md)). Scores of this project are given only where
the config was run unchanged. If a row says "weights of X", its config only tests the weights that the config X trained.

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
    metafiles = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))['Import']
    networks = [yaml.safe_load((ROOT / path).read_text(encoding='utf-8')) for path in metafiles]
    return '\n'.join([HEAD, *(line for network in networks for line in lines_of(network))])


def lines_of(metafile: dict) -> list[str]:
    """Return the section of one network."""
    collection, models = metafile['Collections'][0], metafile['Models']
    protocols = list(models[0]['Results'][0]['Metrics'])
    lines = [f'## {collection["Name"]}', '', f'[{collection["Paper"]["Title"]}]({collection["Paper"]["URL"]})', '']
    lines += [f'| table | variant | data set | paper: {" / ".join(protocols)} | ours | config |', '|---' * 6 + '|']
    for model in models:
        (result,), meta = model['Results'], model['Metadata']
        paper, ours = (
            ' / '.join(printed(scores[p]) for p in protocols if p in scores)
            for scores in (result['Metrics'], result.get('Ours', {}))
        )
        config = f'[{model["Name"]}](../../{model["Config"]})'
        if 'Weights of' in meta:
            config += f', weights of {meta["Weights of"]}'
        lines.append(f'| {meta["Table"]} | {meta["Variant"]} | {result["Dataset"]} | {paper} | {ours} | {config} |')
    return [*lines, '']


def printed(score: float) -> str:
    """Return a score as papers print it, with at least two decimals."""
    return f'{score:.2f}' if round(score, 2) == score else str(score)


if __name__ == '__main__':
    sys.exit(main())
