"""Write the report of ``tools/benchmark.py``: a JSON file, a table and a plot of the measured rows.

A row is the measurement of one network in one setting, for example with one image size, batch size and precision.
"""

import json
from itertools import cycle
from pathlib import Path

from mmderain.io import atomic_write

#: Maps each key of a row to the title of its column. ``{reference}`` stands for the value of ``--reference``, which
#: names the network to which the measured network is compared.
COLUMNS = {
    'config': 'config',
    'size': 'size',
    'batch': 'batch',
    'precision': 'precision',
    'path': 'path',
    'least_ms': 'least ms',
    'median_ms': 'median ms',
    'ratio': 'times as fast as {reference}',
    'peak_share': '% of conv peak',
    'tensors_kb_a_pixel': 'tensors KB a pixel',
    'memory_kb_a_pixel': 'resident KB a pixel',
    'psnr': 'PSNR to fp32, dB',
    'cpu_memory': 'CPU memory',
}
#: Maps the key of each number to the number of decimals that are printed.
DECIMALS = dict(least_ms=1, median_ms=1, ratio=2, peak_share=0, memory_kb_a_pixel=2, tensors_kb_a_pixel=2, psnr=1)


def titles(reference: str) -> list[str]:
    """Return the titles of the columns.

    Args:
        reference: value of ``--reference``.
    """
    return [title.format(reference=reference) for title in COLUMNS.values()]


def cells(row: dict) -> list[str]:
    """Return the cells of a row as strings. The value None becomes an empty string."""
    values = ((key, row[key]) for key in COLUMNS)
    return ['' if v is None else f'{v:.{DECIMALS[key]}f}' if key in DECIMALS else str(v) for key, v in values]


def aligned(texts: list[str]) -> str:
    """Return the strings as one line of aligned columns, for the terminal."""
    return '  '.join(text.rjust(14) for text in texts)


def markdown(rows: list[dict], settings: dict) -> str:
    """Return a line that describes the machine, and a Markdown table of the rows."""
    head = titles(settings['reference'])
    lines = [head, ['---'] * len(head), *(cells(row) for row in rows)]
    peak = ', '.join(f'{name} {2 * value / 1e9:.0f} GFLOP/s' for name, value in settings['peaks'].items())
    text = '{machine}, {device}, {threads} threads, torch {torch}; a {of}; convolution peak: '.format(**settings)
    return f'{text}{peak}.\n\n' + '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'


def plot(rows: list[dict], path: Path, reference: str) -> None:
    """Plot the time for one image: the median time of a batch, divided by the batch size.

    The left diagram shows the time over the number of pixels, at the smallest batch size. The right diagram shows the
    time over the batch size, at the smallest number of pixels.

    Args:
        rows: measured rows, at least one.
        path: the image file to write.
        reference: value of ``--reference``.
    """
    from matplotlib.figure import Figure

    def pixels(row: dict) -> int:
        height, width = row['size'].split('x')
        return int(height) * int(width)

    def batch(row: dict) -> int:
        return row['batch']

    figure = Figure(figsize=(11, 4.2))  # pyplot would set a back end for the whole process
    axes = figure.subplots(1, 2)
    kinds = dict.fromkeys((row['precision'], row['path'], row['cpu_memory']) for row in rows)
    for axis, x_of, fixed in ((axes[0], pixels, batch), (axes[1], batch, pixels)):
        for number, name in enumerate(dict.fromkeys(row['config'] for row in rows)):
            for kind, style in zip(kinds, cycle(('-', ':', '-.', (0, (5, 1, 1, 1))))):
                own = [r for r in rows if (r['config'], r['precision'], r['path'], r['cpu_memory']) == (name, *kind)]
                if not own:
                    continue  # not measured yet
                own = sorted((r for r in own if fixed(r) == min(map(fixed, own))), key=x_of)
                x = [x_of(r) for r in own]
                precision, path_taken, memory = kind
                label = ', '.join(
                    [name, precision, *[path_taken] * (path_taken != 'eager'), *['memory freed'] * (memory == 'freed')]
                )
                y = [r['median_ms'] / r['batch'] for r in own]
                axis.plot(x, y, marker='o', linestyle=style, color=f'C{number}', label=label)
                if kind == next(iter(kinds)):
                    y = [r['reference_median_ms'] / r['batch'] for r in own]
                    axis.plot(x, y, 'x--', color=f'C{number}', alpha=0.5, label=f'{name}, {reference}')
        axis.set(xscale='log', yscale='log', ylabel='ms an image')
        values = sorted({x_of(row) for row in rows})
        axis.set_xticks(values, [str(value) for value in values])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_xlabel('pixels')
    axes[1].set_xlabel('batch')
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    with atomic_write(path) as part:
        figure.savefig(part, dpi=110)


def write_report(rows: list[dict], settings: dict, folder: Path) -> None:
    """Write benchmark.json, benchmark.md and benchmark.png.

    Args:
        rows: measured rows, at least one.
        settings: dict with the keys ``machine``, ``device``, ``threads``, ``torch``, ``mmderain``, ``reference``,
            ``of`` and ``peaks``. ``of`` names what was measured, for example ``'forward pass'``. ``peaks`` maps each
            precision to the peak speed of the machine in multiply-adds per second.
        folder: folder for the files. It is created if it does not exist.
    """
    texts = {'json': json.dumps(dict(settings=settings, rows=rows), indent=1), 'md': markdown(rows, settings)}
    for suffix, text in texts.items():
        with atomic_write(folder / f'benchmark.{suffix}') as part:
            part.write_text(text, encoding='utf-8')
    plot(rows, folder / 'benchmark.png', settings['reference'])
