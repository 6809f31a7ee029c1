"""Make the table of a joint test, for a terminal and for documents."""

from .conditions import Condition, Result

#: The main metric of each task library.
MAIN_METRICS = ('coco/bbox_mAP', 'mIoU')
#: Metric -> its column in the table.
COLUMNS = {
    'coco/bbox_mAP': 'AP',
    'coco/bbox_mAP_50': 'AP50',
    'coco/bbox_mAP_s': 'AP small',
    'coco/person_precision': 'person AP',
    'mIoU': 'mIoU',
}


def main_metric(result: Result) -> str:
    """Return the name of the metric that recovery is computed from."""
    return next((name for name in MAIN_METRICS if name in result.metrics), next(iter(result.metrics)))


def percent_factor(metric: str) -> int:
    """Return the factor that brings a metric to percent, as papers give it: AP is a fraction, mIoU is in percent."""
    return 100 if metric.startswith('coco/') else 1


def make_table(rows: list[Condition], results: list[Result]) -> list[list[str]]:
    """Make the table as text.

    Args:
        rows: the conditions.
        results: their results.

    Returns:
        The lines of the table as lists of cells; the first line is the head.
    """
    main = main_metric(results[0])
    others = [name for name in COLUMNS if name in results[0].metrics and name != main]
    head = ['rain', 'image', 'task model', 'PSNR-Y', 'SSIM-Y(valid)', COLUMNS.get(main, main), '95%']
    head += [*(COLUMNS[name] for name in others), 'recovery', 'derain ms', 'task ms']
    lines = [head]
    for row, result, share in zip(rows, results, recovery(rows, results, main), strict=True):
        bounds = [percent_factor(main) * bound for bound in result.interval or ()]
        line = [row.rain or '', row.treatment, row.model.name]
        line.append('' if result.psnr is None else f'{result.psnr:.2f}')
        line.append('' if result.ssim is None else f'{result.ssim:.3f}')
        line.append(f'{percent_factor(main) * result.metrics[main]:.1f}')
        line.append(' to '.join(f'{bound:.1f}' for bound in bounds))
        line += [_in_percent(result.metrics.get(name), name) for name in others]
        line.append('' if share is None else f'{100 * share:.0f}%')
        line += [_milliseconds(result.derain_ms), _milliseconds(result.task_ms)]
        lines.append(line)
    return lines


def recovery(rows: list[Condition], results: list[Result], metric: str) -> list[float | None]:
    """Compute which share of what rain took from the first task model comes back in each row.

    Args:
        rows: the conditions; the first one's task model is the reference.
        results: their results.
        metric: name of a metric, M.

    Returns:
        For each row, (M - M_rainy) / (M_clean - M_rainy); 1 if all came back. None for rows without rain, for the
        reference itself, and if it is not certain that the rain took anything: if the intervals of clean and rainy
        overlap.
    """
    main = rows[0].model
    pairs = list(zip(rows, results, strict=True))
    clean = {r.treatment: x for r, x in pairs if r.rain is None and r.model == main}.get('clean')
    rainy = {r.rain: x for r, x in pairs if r.rain is not None and r.treatment == 'rainy' and r.model == main}
    shares: list[float | None] = []
    for row, result in pairs:
        reference = None if row.rain is None else rainy.get(row.rain)
        if clean is None or reference is None or reference is result:
            shares.append(None)
            continue
        low, high = ((x.metrics[metric],) * 2 if x.interval is None else x.interval for x in (reference, clean))
        lost = clean.metrics[metric] - reference.metrics[metric]
        certain = lost > 0 and low[1] < high[0]
        shares.append((result.metrics[metric] - reference.metrics[metric]) / lost if certain else None)
    return shares


def align_table(lines: list[list[str]], rows: list[Condition]) -> str:
    """Align a table for a terminal.

    Args:
        lines: as :func:`make_table` returns them.
        rows: all conditions of the test. The columns are wide enough for them, so that a line that is added later
            fits under the earlier ones.
    """
    names = [[row.rain or '', row.treatment, row.model.name] for row in rows]
    widths = [max(len(line[i]) for line in [*lines, *names] if i < len(line)) for i in range(len(lines[0]))]
    widths[3:] = [max(width, 12) for width in widths[3:]]
    return '\n'.join('  '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def markdown_table(lines: list[list[str]]) -> str:
    """Return a table as Markdown."""
    head, *body = (f'| {" | ".join(line)} |' for line in lines)
    return '\n'.join([head, '|' + '---|' * len(lines[0]), *body]) + '\n'


def _in_percent(value: float | None, metric: str) -> str:
    """Return a score as text; nothing for a metric without data, for which pycocotools gives -1."""
    return '' if value is None or value < 0 else f'{percent_factor(metric) * value:.1f}'


def _milliseconds(pair: tuple[float, float] | None) -> str:
    """Return a median as text, with the 95th percentile in brackets."""
    return '' if pair is None else f'{pair[0]:.0f} ({pair[1]:.0f})'
