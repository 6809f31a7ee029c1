"""Confidence intervals of mmdet's and mmseg's metrics over the images of a test set."""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np


def bootstrap(metric: object, results: list, rounds: int = 200, seed: int = 0) -> tuple[float, float] | None:
    """95% interval of mIoU or box AP over images drawn with replacement, in the metric's own unit.

    None for other metrics. mIoU is summed anew from the areas of each image; AP is accumulated anew by pycocotools
    from its matches in each image.
    """
    rng = np.random.default_rng(seed)
    kind = type(metric).__name__
    if kind == 'IoUMetric':
        areas = np.array([[np.asarray(part) for part in image[:2]] for image in results], dtype=np.float64)

        def figure(chosen: np.ndarray) -> float:
            intersect, union = areas[chosen].sum(0)
            with np.errstate(invalid='ignore', divide='ignore'):
                return 100 * np.nanmean(intersect / union)

    elif kind == 'CocoMetric' and 'bbox' in metric.metrics:
        figure = coco_figure(metric, results)
        if figure is None:
            return None
    else:
        return None
    values = [figure(rng.integers(len(results), size=len(results))) for _ in range(rounds)]
    return float(np.nanpercentile(values, 2.5)), float(np.nanpercentile(values, 97.5))


def coco_figure(metric: object, results: list) -> Callable[[np.ndarray], float] | None:
    """A function from chosen images to box AP; None if nothing was detected."""
    from pycocotools.cocoeval import COCOeval

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        files = metric.results2json([pred for _, pred in results], str(Path(folder) / 'results'))
        detections = json.loads(Path(files['bbox']).read_text())
        if not detections:
            return None
        evaluation = COCOeval(metric._coco_api, metric._coco_api.loadRes(detections), 'bbox')
        evaluation.params.catIds, evaluation.params.imgIds = metric.cat_ids, [gt['img_id'] for gt, _ in results]
        evaluation.params.maxDets = list(metric.proposal_nums)
        evaluation.params.iouThrs = metric.iou_thrs
        evaluation.evaluate()
    # pycocotools sorts the images and keeps their matches by category, area range and image.
    shape = (len(evaluation.params.catIds), len(evaluation.params.areaRng), len(evaluation.params.imgIds))
    matches = np.empty(len(evaluation.evalImgs), dtype=object)
    matches[:] = evaluation.evalImgs
    matches = matches.reshape(shape)

    def figure(chosen: np.ndarray) -> float:
        evaluation.evalImgs = matches[..., chosen].ravel().tolist()
        evaluation.params.imgIds = evaluation._paramsEval.imgIds = list(range(len(chosen)))
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.accumulate()
        precision = evaluation.eval['precision'][:, :, :, 0, -1]
        return float(precision[precision > -1].mean()) if (precision > -1).any() else float('nan')

    return figure
