"""Write docs/en/reliability.md from the results of the campaigns."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from mmderain.io import atomic_write

from .common import ROOT

PAGE = ROOT / 'docs/en/reliability.md'


def write(results: Sequence[dict]) -> None:
    """Write the page.

    Args:
        results: results of the campaigns, in the order in which they were made. The page shows the last result of each
            campaign.
    """
    latest = {result['campaign']: result for result in results}
    text = Path(__file__).with_name('page.md.jinja').read_text(encoding='utf-8')
    template = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True).from_string(text)
    with atomic_write(PAGE) as part:
        part.write_text(template.render(latest=latest, formats=by_format(latest['mutations']['table'])), 'utf-8')


def by_format(table: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Sum the outcomes of damaged files over the readers of each format.

    Args:
        table: outcomes for each format and reader. A key is, for example, ``.png, api``, and its value is
            ``dict(read=3, refused=20, other=0)``.

    Returns:
        The sums for each format, for example ``{'.png': dict(read=4, refused=41, other=0)}``.
    """
    formats: dict[str, dict[str, int]] = {}
    for key, outcomes in table.items():
        row = formats.setdefault(key.split(', ')[0], dict(read=0, refused=0, other=0))
        for name, number in outcomes.items():
            row[name] += number
    return formats
