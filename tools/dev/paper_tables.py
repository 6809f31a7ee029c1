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

Every row in which the four papers report a method of their own, with the config that reaches it. Figures of the papers
are under the protocol named at the top of the column ([what they mean](metrics.md)); figures of ours stand beside them
where a run of the config as it is has been made, and nowhere else. A row marked "weights of" only tests.

This page is made from `configs/derain/metafile_*.yml` by `python tools/dev/paper_tables.py`.
"""


@command(CommandParser(__doc__).parse_args)
def main(args) -> None:
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
