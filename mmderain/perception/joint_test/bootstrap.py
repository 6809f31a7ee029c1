"""Compute bootstrap confidence intervals of the metrics of mmdet and mmseg."""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric


def bootstrap(metric: BaseMetric, results: list, rounds: int = 200, seed: int = 0) -> tuple[float, float] | None:
    """Compute the 95% bootstrap interval of mIoU or box AP.

    In each round, the function draws images from the test set with replacement, and computes the metric for the drawn
    images. The number of drawn images is the size of the test set. mIoU is computed from the areas of intersection and
    union in each image. Box AP is computed by pycocotools from the matches in each image.

    Args:
        metric: the metric after it has evaluated the test set. Only ``IoUMetric`` of mmseg and ``CocoMetric`` of mmdet
            are supported.
        results: results of the metric for each image.
        rounds: number of rounds.
        seed: seed of the random draws.

    Returns:
        The lower and the upper bound, for mIoU in percent, and for box AP as a fraction. None if the metric is not
        supported, or if nothing was detected.
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
    """Return a function that computes the mIoU of a selection of images.

    Args:
        results: results of ``IoUMetric`` for each image. In each result, the first entry contains the area of the
            intersection for each class, and the second entry contains the area of the union for each class.

    Returns:
        A function that takes indices of images, which may repeat, and returns the mIoU in percent.
    """
    areas = np.array([[np.asarray(part) for part in image[:2]] for image in results], dtype=np.float64)

    def score(indices: np.ndarray) -> float:
        intersect, union = areas[indices].sum(0)
        with np.errstate(invalid='ignore', divide='ignore'):
            return 100 * np.nanmean(intersect / union)

    return score


def coco_score(metric: BaseMetric, results: list) -> Callable[[np.ndarray], float] | None:
    """Return a function that computes the box AP of a selection of images.

    Args:
        metric: ``CocoMetric`` of mmdet, after it has evaluated the test set.
        results: results of the metric for each image, pairs of ground truth and prediction.

    Returns:
        A function that takes indices of images, which may repeat, and returns the AP as a fraction. If no selected
        image contains an object, this function returns NaN. If nothing was detected in any image of ``results``,
        ``coco_score`` returns None instead of a function.
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
    # pycocotools stores the matches in one list, sorted by category, then by area range, then by image.
    shape = (len(evaluation.params.catIds), len(evaluation.params.areaRng), len(evaluation.params.imgIds))
    matches: np.ndarray = np.empty(len(evaluation.evalImgs), dtype=object)
    matches[:] = evaluation.evalImgs
    matches = matches.reshape(shape)

    def score(indices: np.ndarray) -> float:
        evaluation.evalImgs = matches[..., indices].ravel().tolist()
        evaluation.params.imgIds = evaluation._paramsEval.imgIds = list(range(len(indices)))
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.accumulate()
        precision = evaluation.eval['precision'][:, :, :, 0, -1]
        return float(precision[precision > -1].mean()) if (precision > -1).any() else float('nan')

    return score
