"""Make the page on speed, docs/en/speed.md, and its plot from the stored results."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmderain.io import atomic_write

from .common import BASELINE, NETWORKS
from .goals import GOALS, Report

HEAD = f"""# Report on speed

This page is made by `tools/dev/speed.py page` from [reports/speed.json](reports/speed.json). Do not edit it. [Speed and
memory](performance.md) describes the settings.

* A ratio compares two programs, which run alternately. The page gives the median of the ratios, with the 95% interval
  in brackets. Above 1, the first program is faster.
* "The commit" is `{BASELINE}`, an earlier version of mmderain.

The first command measures one part of the page. The second command writes the page:

```bash
python tools/dev/speed.py baseline-mafnet
python tools/dev/speed.py page
```
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return '\n'.join(f'| {" | ".join(row)} |' for row in (head, ['---'] * len(head), *rows)) + '\n'


def exponent(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return the exponent a of the power law ``y = c x^a`` that fits best, by least squares of the logarithms.

    Args:
        xs: at least two different positive values.
        ys: positive values, as many as ``xs``.
    """
    x, y = [math.log(v) for v in xs], [math.log(v) for v in ys]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)


def ratio(row: dict) -> str:
    """Return the ratio of a row with its interval."""
    return f'{row["ratio"]:.2f} ({row["low"]:.2f} to {row["high"]:.2f})'


def goals(report: Report) -> str:
    """Return the table of all goals."""
    return table(['value', 'goal', 'measured', 'result'], (goal.cells(report) for goal in GOALS))


def comparisons(report: Report) -> str:
    """Return the table of all ratios."""
    rows = []
    for part, stored in sorted(report.items()):
        for row in stored['rows']:
            if 'low' in row and 'format' not in row:
                note = row.get('problem') or (f'preparation: {row["cost"]:.0f} s' if 'cost' in row else '')
                rows.append([part, row['network'], row.get('precision', ''), ratio(row), f'{row["ms"]:.1f}', note])
    return table(['part', 'network', 'precision', 'times as fast', 'ms', 'note'], rows)


def limits(report: Report) -> str:
    """Return the table of the limits of the machine and of the share that each network reaches."""
    peaks = {row['limit']: row['value'] for row in report.get('limits', {}).get('rows', [])}
    adds = {row['network']: row['multiply_adds'] for row in report.get('arithmetic', {}).get('rows', [])}
    rows = [
        [name, f'{value / 1e9:.0f} {"GB/s" if name == "copy" else "billion multiply-adds a second"}']
        for name, value in peaks.items()
    ]
    for row in report.get('precision', {}).get('rows', []):
        for precision, key in (('bf16', 'ms'), ('fp32', 'other_ms')):
            peak = peaks.get(f'convolution, {precision}')
            if peak and row['network'] in adds:
                share = 100 * adds[row['network']] * 160 * 240 / (row[key] / 1000) / peak
                rows.append([f'{row["network"]}, {precision}', f'{share:.0f}% of the convolution peak'])
    return table(['limit', 'value'], rows)


def growth(report: Report) -> str:
    """Return the table of the exponents of time and memory."""
    rows = []
    for name in NETWORKS:
        found = report.get(f'growth-{name}', {}).get('rows', [])
        for of in ('size', 'batch'):
            own = [row for row in found if row['of'] == of]
            if len(own) > 1:
                xs = [row['size'][0] * row['size'][1] * row['batch'] for row in own]
                exponents = (exponent(xs, [row[key] for row in own]) for key in ('seconds', 'bytes'))
                time, memory = (f'{value:.2f}' for value in exponents)
                rows.append([name, of, f'{xs[0] / 1e6:.2f} to {xs[-1] / 1e6:.2f}', time, memory])
        rows += [
            [name, f'tiles of {row["tile"]}', '0.26', f'{row["ratio"]:.2f} times the time of the whole image', '']
            for row in found
            if row['of'] == 'tile'
        ]
    return table(['network', 'growth of', 'megapixels', 'exponent of the time', 'exponent of the memory'], rows)


def formats(report: Report) -> str:
    """Return the table of the formats in which a network can run."""
    rows = []
    for row in report.get('formats', {}).get('rows', []):
        if 'problem' in row:
            rows.append([row['model'], row['format'], f'failed: {row["problem"]}', '', '', ''])
            continue
        speed = ratio(row) if 'low' in row else '1'
        size = f'{row["megabytes"]:.1f}' if 'megabytes' in row else ''
        rows.append([row['model'], row['format'], speed, size, f'{row["psnr"]:.2f}', f'{row["loss"]:.2f}'])
    return table(['model', 'format', 'times as fast as PyTorch', 'file, MB', 'PSNR-RGB, dB', 'loss, dB'], rows)


def machines(report: Report) -> str:
    """Return the table of the parts with their dates and machines."""
    rows = (
        [part, v['date'], v['machine'], str(v['threads']), v['torch'], f'{v["load"]:.1f}', v['commit']]
        for part, v in sorted(report.items())
    )
    return table(['part', 'date', 'processor', 'threads', 'torch', 'load at the start', 'commit'], rows)


def page(report: Report) -> str:
    """Return the text of the page."""
    parts = [HEAD, '## Goals\n', goals(report), '## Comparisons\n', comparisons(report), '## Limits of the machine\n']
    parts.append(limits(report))
    if any(part.startswith('growth-') for part in report):
        parts += [
            '## Growth\n',
            'With an exponent of 1, a value grows in proportion to the number of pixels.\n',
            growth(report),
            '![time and memory against the number of pixels](images/speed_growth.png)\n',
        ]
    if 'formats' in report:
        parts += [
            '## Formats\n',
            'In the int8 file, the convolutions compute with 8-bit integers. Demo photographs determined the ranges.\n',
            formats(report),
        ]
    return '\n'.join([*parts, '## Machines\n', machines(report)])


def plot(report: Report, path: Path) -> None:
    """Plot time and memory of a forward pass in fp32 against the number of pixels of the image."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4))
    for axis, key, title in zip(figure.subplots(1, 2), ('seconds', 'bytes'), ('seconds', 'bytes of tensors')):
        for name in NETWORKS:
            own = [row for row in report.get(f'growth-{name}', {}).get('rows', []) if row['of'] == 'size']
            pixels = [row['size'][0] * row['size'][1] for row in own]
            axis.plot(pixels, [row[key] for row in own], marker='o', label=name)
        axis.set(xscale='log', yscale='log', xlabel='pixels', ylabel=title)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    with atomic_write(path) as part:
        figure.savefig(part, dpi=110, format='png')
