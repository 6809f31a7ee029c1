"""Compute confidence intervals of mmdet's and mmseg's metrics over the images of a test set."""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric


def bootstrap(metric: BaseMetric, results: list, rounds: int = 200, seed: int = 0) -> tuple[float, float] | None:
    """Compute the 95% interval of mIoU or box AP over images that are drawn with replacement.

    mIoU is computed again from the areas of each image, box AP by pycocotools from the matches of each image.

    Args:
        metric: mmseg's ``IoUMetric`` or mmdet's ``CocoMetric``, after it has computed.
        results: the metric's results of each image.
        rounds: number of draws.
        seed: seed of the draws.

    Returns:
        Lower and upper bound in the metric's own unit; None for other metrics, and if nothing was detected.
    """
    score = None
    if type(metric).__name__ == 'IoUMetric':
        score = iou_score(results)
    elif type(metric).__name__ == 'CocoMetric' and 'bbox' in metric.metrics:
        score = coco_score(metric, results)
    if score is None:
        return None
    rng = np.random.default_rng(seed)
    values = [score(rng.integers(len(results), size=len(results))) for _ in range(rounds)]
    return float(np.nanpercentile(values, 2.5)), float(np.nanpercentile(values, 97.5))


def iou_score(results: list) -> Callable[[np.ndarray], float]:
    """Return a function that computes mIoU over some images.

    Args:
        results: the metric's results of each image; the first two are areas of intersection and union by class.

    Returns:
        A function from indices of images, which may repeat, to mIoU in percent.
    """
    areas = np.array([[np.asarray(part) for part in image[:2]] for image in results], dtype=np.float64)

    def score(chosen: np.ndarray) -> float:
        intersect, union = areas[chosen].sum(0)
        with np.errstate(invalid='ignore', divide='ignore'):
            return 100 * np.nanmean(intersect / union)

    return score


def coco_score(metric: BaseMetric, results: list) -> Callable[[np.ndarray], float] | None:
    """Return a function that computes box AP over some images, or None if nothing was detected.

    Args:
        metric: mmdet's ``CocoMetric``, after it has computed.
        results: its results of each image, pairs of truth and prediction.

    Returns:
        A function from indices of images, which may repeat, to AP as a fraction; NaN if no chosen image has an object.
    """
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
    matches: np.ndarray = np.empty(len(evaluation.evalImgs), dtype=object)
    matches[:] = evaluation.evalImgs
    matches = matches.reshape(shape)

    def score(chosen: np.ndarray) -> float:
        evaluation.evalImgs = matches[..., chosen].ravel().tolist()
        evaluation.params.imgIds = evaluation._paramsEval.imgIds = list(range(len(chosen)))
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.accumulate()
        precision = evaluation.eval['precision'][:, :, :, 0, -1]
        return float(precision[precision > -1].mean()) if (precision > -1).any() else float('nan')

    return score
