"""Write docs/en/reliability.md from the results of the campaigns."""

from collections.abc import Sequence
from pathlib import Path

import jinja2

from mmderain.io import atomic_write

from .common import ROOT

PAGE = ROOT / 'docs/en/reliability.md'


def write(results: Sequence[dict]) -> None:
    """Write the page.

    Args:
        results: results of the campaigns, in the order in which they were made.
    """
    text = Path(__file__).with_name('page.md.jinja').read_text(encoding='utf-8')
    template = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True).from_string(text)
    with atomic_write(PAGE) as part:
        part.write_text(template.render(results=results), encoding='utf-8')
