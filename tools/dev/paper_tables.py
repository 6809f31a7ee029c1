"""Write docs/en/paper_tables.md from the metafiles in configs/derain and from the files in docs/en/peers.

    python tools/dev/paper_tables.py

The page shows the tables of the papers, row by row.
"""

import sys
from pathlib import Path

import yaml

from mmderain.cli.command import CommandParser, command
from mmderain.io import atomic_write, read_text

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/en/paper_tables.md'
HEAD = """# The papers' tables, row by row

This page lists all scores in the papers' tables, as printed, and the configs that reproduce them. Compare scores only
within one table, because the papers measure in different ways.

Each paper has a section. Its first table contains the scores of the paper's own network:

| column | meaning |
|---|---|
| table | number of the table in the paper; in parentheses, the name of the row |
| variant | "the model" is the network of the paper; all other variants are ablations |
| paper | score in the paper, with the [protocols](metrics.md) in the head of the column |
| ours | score of the unchanged config, if this project has run it |
| config | config that reproduces the score; "weights of X": it tests the weights of config X |

"6 (6,508,931 parameters)" means that Table 6 prints only the number of parameters. Two tables with different digits of
the same score have two rows.

The comparison tables contain the scores of other methods. An empty cell means that the paper prints no score.

[The scores of a paper](extending.md#the-scores-of-a-paper) shows how to change this page.
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
        lines += comparison_lines(yaml.safe_load(read_text(peers_path(path))), metafile)
    return '\n'.join(lines)


def metafile_paths() -> list[Path]:
    """Return the metafiles in the order of model-index.yml."""
    return [ROOT / path for path in yaml.safe_load(read_text(ROOT / 'model-index.yml'))['Import']]


def peers_path(metafile: Path) -> Path:
    """Return the file with the comparison tables of a paper: docs/en/peers/sian.yml for metafile_sian.yml."""
    return ROOT / 'docs/en/peers' / metafile.name.removeprefix('metafile_')


def network_lines(metafile: dict) -> list[str]:
    """Return the first part of a network's section: its heading, the table of its scores, and notes on the scores."""
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
    notes = list(collection['Metadata']['Notes'])
    notes += [f'`{model["Name"]}`: {model["Metadata"]["Note"]}' for model in models if 'Note' in model['Metadata']]
    return [*lines, '', *(f'* {note}' for note in notes), '']


def comparison_lines(peers: dict, metafile: dict) -> list[str]:
    """Return the comparison tables of a paper, with one row for each method.

    If the metafile contains scores of this project for the config of a method, a second row of the method gives them.

    Args:
        peers: content of a file in docs/en/peers.
        metafile: content of the metafile of the same paper.
    """
    name = peers['paper']
    ours = {
        (model['Name'], entry.split(' ')[0]): ' / '.join(result['Ours'].values())
        for model in metafile['Models']
        for result in model['Results']
        for entry in result['Tables']
        if 'Ours' in result
    }
    lines = [f'### Comparison tables of the paper on {name}', '']
    for table in peers['tables']:
        lines += [f'**Table {table["table"]}**: {table["shows"]}. {" / ".join(table["metrics"])}.', '']
        lines += [f'| method | {" | ".join(table["datasets"])} | config |', '|---' * (len(table['datasets']) + 2) + '|']
        for row in table['rows']:
            configs = row.get('configs', [])
            scores = [' / '.join(score for score in printed if score is not None) for printed in row['scores']]
            links = ', '.join(config_link(config) for config in configs if config)
            lines.append(f'| {row["method"]} | {" | ".join(scores)} | {links} |')
            scores = [ours.get((config, table['table']), '') for config in configs]
            if any(scores):
                lines.append(f'| {row["method"]}, run by this project | {" | ".join(scores)} | |')
        lines += ['', *(line for note in table.get('notes', []) for line in (note, ''))]
    return lines


def config_link(name: str) -> str:
    """Return a Markdown link from the page to a config of configs/derain."""
    return f'[{name}](../../configs/derain/{name}.py)'


if __name__ == '__main__':
    sys.exit(main())
