"""Make the table of a joint test, as aligned text for a terminal or as Markdown."""

from mmderain.errors import InputError

from .conditions import Condition, Result

#: The main metrics of mmdet and mmseg.
MAIN_METRICS = ('coco/bbox_mAP', 'mIoU')
#: Maps each metric to the title of its column.
COLUMNS = {
    'coco/bbox_mAP': 'AP',
    'coco/bbox_mAP_50': 'AP50',
    'coco/bbox_mAP_s': 'AP small',
    'coco/person_precision': 'person AP',
    'mIoU': 'mIoU',
}


def main_metric(result: Result) -> str:
    """Return the name of the main metric of a result. The interval and the recovery are computed for this metric.

    Raises:
        InputError: the result has no metric. mmdet computes no metric if a detector finds nothing in the test set.
    """
    if not result.metrics:
        raise InputError(
            'the task model found nothing in the whole test set, so that no metric could be computed. Check that the '
            'checkpoint fits the config, and that the classes of the config occur in the annotations.'
        )
    return next((name for name in MAIN_METRICS if name in result.metrics), next(iter(result.metrics)))


def percent_factor(metric: str) -> int:
    """Return the factor that converts a metric to percent: 100 for COCO metrics, which are fractions; 1 for others."""
    return 100 if metric.startswith('coco/') else 1


def make_table(rows: list[Condition], results: list[Result]) -> list[list[str]]:
    """Make the table as text.

    Args:
        rows: the conditions.
        results: their results.

    Returns:
        The lines of the table as lists of cells. The first line is the header.
    """
    main = main_metric(results[0])
    others = [name for name in COLUMNS if name in results[0].metrics and name != main]
    header = ['rain', 'image', 'task model', 'PSNR-Y', 'SSIM-Y(valid)', COLUMNS.get(main, main), '95%']
    header += [*(COLUMNS[name] for name in others), 'recovery', 'derain ms', 'task ms']
    lines = [header]
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
    """Compute for each row the share of the lost accuracy that is recovered.

    Rain reduces the metric M of the task model from M_clean (on clean images) to M_rainy (on rainy images). Both values
    come from the rows of the task model that the first row tests.

    Args:
        rows: the conditions.
        results: their results.
        metric: name of the metric M.

    Returns:
        For each row, (M - M_rainy) / (M_clean - M_rainy). 1 means that the whole loss is recovered. None for rows
        without rain, for the row of M_rainy, and if M_clean or M_rainy was not measured. Also None if the loss may be
        zero: M_clean is not greater than M_rainy, or their intervals overlap.
    """
    main = rows[0].model
    pairs = list(zip(rows, results, strict=True))
    clean = {row.treatment: result for row, result in pairs if row.rain is None and row.model == main}.get('clean')
    rainy_by_rain = {
        row.rain: result
        for row, result in pairs
        if row.rain is not None and row.treatment == 'rainy' and row.model == main
    }
    shares: list[float | None] = []
    for row, result in pairs:
        rainy = None if row.rain is None else rainy_by_rain.get(row.rain)
        if clean is None or rainy is None or rainy is result:
            shares.append(None)
            continue
        loss = clean.metrics[metric] - rainy.metrics[metric]
        significant = loss > 0 and _bounds(rainy, metric)[1] < _bounds(clean, metric)[0]
        shares.append((result.metrics[metric] - rainy.metrics[metric]) / loss if significant else None)
    return shares


def _bounds(result: Result, metric: str) -> tuple[float, float]:
    """Return the interval of a result, or the value of the metric twice if there is no interval."""
    return result.interval or (result.metrics[metric], result.metrics[metric])


def align_table(lines: list[list[str]], rows: list[Condition]) -> str:
    """Return a table as text with aligned columns, for a terminal.

    Args:
        lines: lines of the table, see :func:`make_table`.
        rows: all conditions of the test, including those without a line in ``lines``. The width of the columns is
            computed from all conditions. Therefore lines that are printed later are aligned with the earlier lines.
    """
    names = [[row.rain or '', row.treatment, row.model.name] for row in rows]
    widths = [max(len(line[i]) for line in [*lines, *names] if i < len(line)) for i in range(len(lines[0]))]
    widths[3:] = [max(width, 12) for width in widths[3:]]
    return '\n'.join('  '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def markdown_table(lines: list[list[str]]) -> str:
    """Return a table as Markdown."""
    header, *body = (f'| {" | ".join(line)} |' for line in lines)
    return '\n'.join([header, '|' + '---|' * len(lines[0]), *body]) + '\n'


def _in_percent(value: float | None, metric: str) -> str:
    """Return a score as text.

    The text is empty if the score is None or negative. For a metric without data, pycocotools returns -1.
    """
    return '' if value is None or value < 0 else f'{percent_factor(metric) * value:.1f}'


def _milliseconds(pair: tuple[float, float] | None) -> str:
    """Return a run time as text: the median, and the 95th percentile in parentheses."""
    return '' if pair is None else f'{pair[0]:.0f} ({pair[1]:.0f})'
