"""Write docs/en/paper_tables.md from the metafiles of configs/derain.

python tools/dev/paper_tables.py
"""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/en/paper_tables.md'
HEAD = """# The papers' tables, row by row

Every row in which the four papers report a method of their own, with the config that reaches it. Figures of the papers
are under the protocol named at the top of the column ([what they mean](metrics.md)); figures of ours stand beside them
where a run of the config as it is has been made, and nowhere else. A row marked "weights of" only tests.

This page is made from `configs/derain/metafile_*.yml` by `python tools/dev/paper_tables.py`.
"""


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding='utf-8'))


def printed(figure: float) -> str:
    """As a paper prints it: with two decimals at least."""
    return f'{figure:.2f}' if round(figure, 2) == figure else str(figure)


def rows(metafile: dict) -> list[str]:
    """Markdown lines of one network."""
    collection, models = metafile['Collections'][0], metafile['Models']
    protocols = list(models[0]['Results'][0]['Metrics'])
    lines = [f'## {collection["Name"]}', '', f'[{collection["Paper"]["Title"]}]({collection["Paper"]["URL"]})', '']
    lines.append(f'| table | variant | data set | paper: {" / ".join(protocols)} | ours | config |')
    lines.append('|---|---|---|---|---|---|')
    for model in models:
        (result,), meta = model['Results'], model['Metadata']

        def figures(metrics: dict) -> str:
            return ' / '.join(printed(metrics[p]) for p in protocols if p in metrics)

        config = f'[{model["Name"]}](../../{model["Config"]})'
        if 'Weights of' in meta:
            config += f', weights of {meta["Weights of"]}'
        lines.append(
            f'| {meta["Table"]} | {meta["Variant"]} | {result["Dataset"]} | {figures(result["Metrics"])} '
            f'| {figures(result.get("Ours", {}))} | {config} |'
        )
    return [*lines, '']


def page() -> str:
    metafiles = [load(ROOT / path) for path in load(ROOT / 'model-index.yml')['Import']]
    return '\n'.join([HEAD, *(line for metafile in metafiles for line in rows(metafile))])


if __name__ == '__main__':
    PAGE.write_text(page(), encoding='utf-8')
    print(PAGE)
