"""Write the results of a joint test to files."""

import csv
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mmderain.io.files import atomic_write

from .conditions import Condition, Result
from .gallery import write_gallery
from .table import COLUMNS, main_metric, make_table, markdown_table, percent_factor


def write_report(rows: list[Condition], results: list[Result], out: Path, settings: dict) -> None:
    """Write ``table.md``, ``table.csv``, ``results.json``, ``chart.png`` and ``gallery/``.

    Args:
        rows: the conditions.
        results: their results, from :func:`~mmderain.perception.joint_test.evaluate` with the cache ``out / 'cache'``.
        out: folder for the files.
        settings: additional content of ``results.json``, for example package versions and the command line.
    """
    lines = make_table(rows, results)
    with atomic_write(out / 'table.md') as part:
        part.write_text(f'{markdown_table(lines)}\n{results[0].images} images.\n', encoding='utf-8')
    with atomic_write(out / 'table.csv') as part, open(part, 'w', newline='', encoding='utf-8') as stream:
        csv.writer(stream).writerows(lines)
    content = [{**asdict(row), **asdict(result)} for row, result in zip(rows, results, strict=True)]
    with atomic_write(out / 'results.json') as part:
        part.write_text(json.dumps(dict(settings=settings, rows=content), indent=1), encoding='utf-8')
    write_chart(rows, results, out / 'chart.png')
    write_gallery(rows, results, out / 'cache', out / 'gallery')


def write_chart(rows: list[Condition], results: list[Result], path: Path) -> None:
    """Write a bar chart of the main metric with the bootstrap intervals. Each rain has a different color.

    Args:
        rows: the conditions.
        results: their results.
        path: the PNG file to write.
    """
    from matplotlib.figure import Figure

    main = main_metric(results[0])
    factor = percent_factor(main)
    names = [f'{row.treatment}, {row.model.name}' + (f' ({row.rain})' if row.rain else '') for row in rows]
    values = np.array([factor * result.metrics[main] for result in results])
    colors = {rain: f'C{number}' for number, rain in enumerate(dict.fromkeys(row.rain for row in rows))}
    # pyplot is not used, because its back end is a setting of the whole process.
    figure = Figure(figsize=(9, 0.34 * len(rows) + 1.2))
    axes = figure.subplots()
    positions = np.arange(len(rows))[::-1]
    axes.barh(positions, values, color=[colors[row.rain] for row in rows])
    for y, value, result in zip(positions, values, results, strict=True):
        if result.interval is not None:
            axes.plot([factor * bound for bound in result.interval], [y, y], color='black', linewidth=1)
        axes.text(value, y, f' {value:.1f}', va='bottom', fontsize=8)
    axes.set_yticks(positions, names, fontsize=8)
    axes.set_xlabel(f'{COLUMNS.get(main, main)}; lines: 95% bootstrap intervals over images')
    axes.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    with atomic_write(path) as part:
        figure.savefig(part, format='png', dpi=110)
