"""Each condition is a test run of the task library."""

import json

import mmcv
import pytest
import torch
from conftest import ROOT, smooth_image
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner

from mmderain.errors import InputError
from mmderain.perception.joint_test import TaskModel, conditions, evaluate, make_table, recovery, run_condition

from ..cases import IDENTITY

pytest.importorskip('mmdet', reason='mmdet is not installed')
pytest.importorskip('mmseg', reason='mmseg is not installed')


def test_conditions_equal_test_runs_of_the_task_library(camvid, tmp_path):
    rows = list(conditions(camvid, ['heavy'], {'identity': IDENTITY}, [], {}, 'data/camvid', seed=4))
    assert [(r.rain, r.treatment) for r in rows] == [
        (None, 'clean'),
        (None, 'clean, then identity'),
        ('heavy', 'rainy'),
        ('heavy', 'median blur 5x5'),
        ('heavy', 'identity'),
    ]
    clean, clean_identity, rainy, median, identity = evaluate(rows, tmp_path / 'cache')
    # mmseg's runner gives the same scores for the config with rain in its pipeline.
    for result, insert in (
        (clean, []),
        (rainy, [dict(type='mmderain.SynthesizeRain', preset='heavy', seed=4, data_root='data/camvid')]),
    ):
        cfg = Config.fromfile('seg.py')
        cfg.work_dir, cfg.log_level, cfg.load_from = str(tmp_path / 'w'), 'ERROR', 'seg.pth'
        cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
        cfg.test_dataloader.dataset.pipeline[1:1] = insert
        assert Runner.from_cfg(cfg).test()['mIoU'] == result.metrics['mIoU']
    assert clean.metrics == clean_identity.metrics != rainy.metrics == identity.metrics
    assert clean.psnr is None and rainy.psnr == identity.psnr < 25 and rainy.psnr != median.psnr
    assert rainy.derain_ms is None and len(identity.derain_ms) == 2 and identity.images == 6
    for result in (clean, rainy):
        low, high = result.interval
        assert low < result.metrics['mIoU'] < high


def test_real_rain_has_no_clean_score(camvid, tmp_path):
    rows = list(conditions(camvid, ['none'], {}, [], {}, 'data/camvid'))
    assert [(row.rain, row.treatment) for row in rows] == [('none', 'rainy'), ('none', 'median blur 5x5')]
    rainy, median = evaluate(rows, tmp_path / 'cache', limit=2)
    assert median.psnr is None and median.ssim is None and rainy.metrics['mIoU'] > 0
    assert recovery(rows, [rainy, median], 'mIoU') == [None, None]


def test_a_detector_has_a_lower_ap_in_rain_and_draws_its_boxes(tmp_path, monkeypatch):
    """The ground truth is made from the detections of a RetinaNet with random weights on clean images.

    The AP of this RetinaNet is therefore near 1 on clean images, and lower in rain.
    """
    from mmdet.apis import inference_detector

    monkeypatch.chdir(tmp_path)
    names = [f'{number}.png' for number in range(3)]
    for number, name in enumerate(names):
        mmcv.imwrite(smooth_image(96, 128, number), f'data/images/{name}')
    evaluation = dict(type='CocoMetric', ann_file='data/boxes.json', metric='bbox')
    text = (
        f"_base_ = '{ROOT}/tests/data/detector.py'\n"
        "classes = dict(classes=('person', 'car', 'dog'))\n"
        'test_pipeline = _base_.test_pipeline\n'
        "test_pipeline.insert(2, dict(type='LoadAnnotations', with_bbox=True))\n"
        "test_dataloader = dict(dataset=dict(data_root='data', ann_file='boxes.json', metainfo=classes, "
        "data_prefix=dict(img='images'), pipeline=test_pipeline))\n"
        f'test_evaluator = {evaluation!r}\n'
    )
    (tmp_path / 'det.py').write_text(text)
    cfg = Config.fromfile('det.py')
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    torch.save(dict(state_dict=model.state_dict(), meta={}), 'det.pth')
    model.cfg = Config.fromfile(ROOT / 'tests/data/detector.py')
    images, annotations = [], []
    for number, name in enumerate(names):
        images.append(dict(id=number, file_name=name, width=128, height=96))
        found = inference_detector(model, f'data/images/{name}').pred_instances
        for (x1, y1, x2, y2), label in zip(found.bboxes[:4].tolist(), found.labels[:4].tolist(), strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            entry = dict(id=len(annotations) + 1, image_id=number, category_id=label + 1, bbox=box, iscrowd=0)
            annotations.append(entry | dict(area=box[2] * box[3]))
    categories = [dict(id=n + 1, name=name) for n, name in enumerate(('person', 'car', 'dog'))]
    content = dict(images=images, annotations=annotations, categories=categories)
    (tmp_path / 'data/boxes.json').write_text(json.dumps(content))
    rows = list(conditions(TaskModel('det', 'det.py', 'det.pth'), ['heavy'], {'identity': IDENTITY}, [], {}, 'data'))
    clean, clean_identity, rainy, _, identity = evaluate(rows, tmp_path / 'cache')
    # Images that are left out by `limit` do not count as missed.
    (first_two,) = evaluate(rows[:1], tmp_path / 'cache', limit=2)
    assert first_two.images == 2 and first_two.metrics['coco/bbox_mAP'] > 0.9
    assert clean.metrics['coco/bbox_mAP'] > 0.9 > rainy.metrics['coco/bbox_mAP']
    assert clean.metrics == clean_identity.metrics and rainy.metrics == identity.metrics and clean.images == 3
    head, first, *_ = make_table(rows, [clean, clean_identity, rainy, _, identity])
    # Boxes are drawn on the input of the detector.
    drawn = mmcv.imread(str(tmp_path / 'cache' / f'{clean.drawings[0]}.png'))
    changed = (drawn != mmcv.imread('data/images/0.png')).any(-1)
    assert drawn.shape == (96, 128, 3) and 0.02 < changed.mean() < 0.9
    assert (drawn != mmcv.imread(str(tmp_path / 'cache' / f'{clean.drawings[0]}.truth.png'))).any()
    # All boxes are persons, so the person AP equals the AP.
    assert {annotation['category_id'] for annotation in annotations} == {1}
    assert first[head.index('person AP')] == first[head.index('AP')]
    assert float(first[head.index('AP')]) == pytest.approx(100 * clean.metrics['coco/bbox_mAP'])


def test_configs_with_several_metrics_are_refused(camvid, tmp_path):
    with open(tmp_path / 'seg.py', 'a') as file:
        file.write("test_evaluator = [dict(type='IoUMetric'), dict(type='IoUMetric', prefix='b')]\n")
    (row, *_) = conditions(camvid, ['light'], {}, [], {}, 'data/camvid')
    with pytest.raises(InputError, match=r"seg.py: expected one metric in test_evaluator, found \['IoUMetric', 'IoU"):
        run_condition(row, limit=1)
