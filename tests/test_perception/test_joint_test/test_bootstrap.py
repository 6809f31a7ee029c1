import numpy as np
import pytest

from mmderain.perception.joint_test.bootstrap import bootstrap, coco_score

pytest.importorskip('mmdet', reason='mmdet is not installed')


def test_bootstrap_scores_equal_those_of_coco_metric(tmp_path):
    """If each image is selected once, the score equals the AP that ``CocoMetric`` computes.

    This also holds if only one image is selected, or if an image is selected twice (it then counts as two images).
    """
    from mmdet.evaluation import CocoMetric

    rng = np.random.default_rng(0)
    metric = CocoMetric(metric='bbox')
    metric.dataset_meta = dict(classes=('a', 'b'))
    results = []
    for image in range(5):
        boxes = rng.uniform(0, 60, (4, 4))
        boxes[:, 2:] = boxes[:, :2] + 30
        labels = rng.integers(0, 2, 4)
        gt = dict(width=100, height=100, img_id=image)
        gt['anns'] = [dict(bbox_label=int(c), bbox=b.tolist()) for b, c in zip(boxes, labels, strict=True)]
        found = boxes + rng.normal(0, 2.5, boxes.shape)
        scores = rng.uniform(0.2, 1, 4)
        results.append((gt, dict(img_id=image, bboxes=found, scores=scores, labels=labels)))
    whole = metric.compute_metrics(results)['bbox_mAP']
    assert 0.2 < whole < 0.95
    score = coco_score(metric, results)
    # The metric rounds its scores to three decimals.
    assert score(np.arange(5)) == pytest.approx(whole, abs=6e-4)
    single = CocoMetric(metric='bbox')
    single.dataset_meta = metric.dataset_meta
    assert score(np.array([3])) == pytest.approx(single.compute_metrics(results[3:4])['bbox_mAP'], abs=6e-4)
    # An image that is selected twice counts as two images.
    twice = [results[3], ({**results[3][0], 'img_id': 9}, {**results[3][1], 'img_id': 9}), results[1]]
    doubled = CocoMetric(metric='bbox')
    doubled.dataset_meta = metric.dataset_meta
    assert score(np.array([3, 3, 1])) == pytest.approx(doubled.compute_metrics(twice)['bbox_mAP'], abs=6e-4)
    low, high = bootstrap(metric, results)
    assert low < whole < high
    assert (
        coco_score(metric, [(gt, {**p, 'bboxes': np.zeros((0, 4)), 'scores': [], 'labels': []}) for gt, p in results])
        is None
    )
