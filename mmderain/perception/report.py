"""The table of a joint evaluation: in the terminal, as Markdown, CSV, JSON, a bar chart and a gallery."""

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mmderain.io.image import read_image, write_image
from mmderain.visualization import grid

from .joint_evaluation import Condition, Result, recovery

#: Of each task library's metrics, the main one first.
MAIN = ('coco/bbox_mAP', 'mIoU')
SHOWN = {
    'coco/bbox_mAP': 'AP',
    'coco/bbox_mAP_50': 'AP50',
    'coco/bbox_mAP_s': 'AP small',
    'coco/person_precision': 'person AP',
    'mIoU': 'mIoU',
}


def main_metric(result: Result) -> str:
    """The metric that recovery is counted in."""
    return next((name for name in MAIN if name in result.metrics), next(iter(result.metrics)))


def table(rows: list[Condition], results: list[Result]) -> list[list[str]]:
    """Head and lines, as text. Metrics that are fractions (AP) are shown in percent, as papers do."""
    main = main_metric(results[0])
    shown = [name for name in SHOWN if name in results[0].metrics] or [main]
    factor = {name: 100 if name.startswith('coco/') else 1 for name in shown}
    head = ['rain', 'picture', 'task model', 'PSNR-Y', 'SSIM-Y(valid)', SHOWN.get(main, main), '95%']
    head += [SHOWN.get(name, name) for name in shown if name != main]
    head += ['recovery', 'derain ms', 'task ms']
    lines = [head]
    for row, result, share in zip(rows, results, recovery(rows, results, main), strict=True):
        interval = result.interval or ()
        lines.append(
            [
                row.rain or '',
                row.treatment,
                row.model.name,
                '' if result.psnr is None else f'{result.psnr:.2f}',
                '' if result.ssim is None else f'{result.ssim:.3f}',
                f'{factor.get(main, 1) * result.metrics[main]:.1f}',
                ' to '.join(f'{factor.get(main, 1) * bound:.1f}' for bound in interval),
                *(percent(result.metrics.get(name), factor[name]) for name in shown if name != main),
                '' if share is None else f'{100 * share:.0f}%',
                milliseconds(result.derain_ms),
                milliseconds(result.task_ms),
            ]
        )
    return lines


def percent(value: float | None, factor: float) -> str:
    """One decimal; nothing for a metric without data, which pycocotools gives as -1."""
    return '' if value is None or value < 0 else f'{factor * value:.1f}'


def milliseconds(pair: tuple[float, float] | None) -> str:
    """Median, and 95th percentile in brackets."""
    return '' if pair is None else f'{pair[0]:.0f} ({pair[1]:.0f})'


def aligned(lines: list[list[str]], rows: list[Condition]) -> str:
    """For a terminal, in columns wide enough for what ``rows`` will add."""
    names = [[row.rain or '', row.treatment, row.model.name] for row in rows]
    widths = [max(len(line[i]) for line in [*lines, *names] if i < len(line)) for i in range(len(lines[0]))]
    widths[3:] = [max(width, 12) for width in widths[3:]]
    return '\n'.join('  '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def markdown(lines: list[list[str]]) -> str:
    """For documents."""
    head, *body = (f'| {" | ".join(line)} |' for line in lines)
    return '\n'.join([head, '|' + '---|' * len(lines[0]), *body]) + '\n'


def chart(rows: list[Condition], results: list[Result], path: Path) -> None:
    """Bars of the main metric with their intervals, a group for each rain."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    main = main_metric(results[0])
    factor = 100 if main.startswith('coco/') else 1
    names = [f'{row.treatment}, {row.model.name}' + (f' ({row.rain})' if row.rain else '') for row in rows]
    values = np.array([factor * result.metrics[main] for result in results])
    colours = {rain: f'C{number}' for number, rain in enumerate(dict.fromkeys(row.rain for row in rows))}
    figure, axes = plt.subplots(figsize=(9, 0.34 * len(rows) + 1.2))
    places = np.arange(len(rows))[::-1]
    axes.barh(places, values, color=[colours[row.rain] for row in rows])
    for place, value, result in zip(places, values, results, strict=True):
        if result.interval is not None:
            axes.plot([factor * bound for bound in result.interval], [place, place], color='black', linewidth=1)
        axes.text(value, place, f' {value:.1f}', va='bottom', fontsize=8)
    axes.set_yticks(places, names, fontsize=8)
    axes.set_xlabel(f'{SHOWN.get(main, main)}; lines: 95% bootstrap intervals over images')
    axes.spines[['top', 'right']].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def gallery(rows: list[Condition], results: list[Result], cache: Path, folder: Path, columns: int = 3) -> None:
    """The same pictures under each condition, with the boxes or label maps that the task model found.

    One PNG for each picture and rain: the truth, if the data set gives it, and the clean picture, then what was seen
    under that rain; ``clean`` in place of the rain for what became of dry pictures.

    Args:
        cache: the folder that ``drawn`` of the results lies in.
    """
    pairs = list(zip(rows, results, strict=True))
    first, main = results[0], rows[0].model
    several = len({row.model for row in rows}) > 1
    shutil.rmtree(folder, ignore_errors=True)  # pictures of another call would stand beside these
    for drawn in first.drawn:
        truth, name = cache / f'{drawn}.truth.png', Path(drawn).name
        for rain in dict.fromkeys(row.rain for row in rows):
            shown = [pair for pair in pairs if pair[0].rain == rain]
            if rain is not None and rows[0].rain is None:
                shown.insert(0, pairs[0])
            tiles = {'truth': truth} if truth.is_file() else {}
            for row, result in shown:
                model = f', {row.model.name}' if several and row.model != main else ''
                found = [other for other in result.drawn if Path(other).name == name]  # a rival may have other data
                if found:
                    tiles[row.treatment + model] = cache / f'{found[0]}.png'
            pictures = {caption: read_image(path) for caption, path in tiles.items()}
            path = folder / f'{name}_{(rain or "clean").replace(":", "-")}.png'
            write_image(grid(pictures, columns), path)


def write(rows: list[Condition], results: list[Result], out: Path, settings: dict) -> None:
    """``table.md``, ``table.csv``, ``results.json``, ``chart.png`` and ``gallery/``.

    Args:
        out: folder that holds ``cache`` as :func:`~mmderain.perception.joint_evaluation.evaluate` filled it.
    """
    lines = table(rows, results)
    out.mkdir(parents=True, exist_ok=True)
    (out / 'table.md').write_text(f'{markdown(lines)}\n{results[0].images} images.\n', encoding='utf-8')
    with open(out / 'table.csv', 'w', newline='', encoding='utf-8') as stream:
        csv.writer(stream).writerows(lines)
    content = [{**asdict(row), **asdict(result)} for row, result in zip(rows, results, strict=True)]
    (out / 'results.json').write_text(json.dumps(dict(settings=settings, rows=content), indent=1), encoding='utf-8')
    chart(rows, results, out / 'chart.png')
    gallery(rows, results, out / 'cache', out / 'gallery')
