"""Configs that test detectors and segmentors on real weather."""

from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from conftest import ROOT, smooth_image
from mmengine.config import Config
from mmengine.registry import DATASETS, METRICS, init_default_scope

from mmderain.datasets.converters.coco import Box, write_test_set
from mmderain.engine.config import require_data

#: Maps each config that tests a detector on real weather to its data set.
REAL_BOXES = {
    'faster-rcnn_r50_coco_bdd100k-rain': 'bdd100k_rain',
    'faster-rcnn_r50_coco_dawn-rain': 'dawn_rain',
    'faster-rcnn_r50_coco_rtts': 'rtts',
}
#: Configs that test a segmentor on real rain.
REAL_LABELS = ['pspnet_r50_cityscapes_acdc-rain']


@pytest.mark.parametrize('name', REAL_BOXES)
def test_detectors_of_coco_are_tested_on_real_weather(name, tmp_path, monkeypatch):
    pytest.importorskip('mmdet', reason='mmdet is not installed')
    cfg, data = Config.fromfile(ROOT / f'configs/perception/{name}.py'), REAL_BOXES[name]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=f'data/{data}/ does not exist .*docs/en/datasets'):
        require_data(cfg, 'test_dataloader')
    mmcv.imwrite(smooth_image(60, 90), 'source/1.jpg')
    write_test_set(
        {Path('source/1.jpg'): [Box('car', (5, 10, 35, 40)), Box('bike', (1, 1, 9, 9))]}, Path('data') / data
    )
    init_default_scope('mmdet')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    assert dataset[0]['inputs'].shape[0] == 3 and len(dataset) == 1
    instances = dataset.get_data_info(0)['instances']
    assert [dataset.metainfo['classes'][i['bbox_label']] for i in instances] == ['car', 'bicycle']
    metric = METRICS.build(cfg.test_evaluator)
    metric.dataset_meta = dataset.metainfo
    found = dict(
        bboxes=torch.tensor([i['bbox'] for i in instances]),
        labels=torch.tensor([i['bbox_label'] for i in instances]),
        scores=torch.ones(2),
    )
    metric.process({}, [dict(pred_instances=found, img_id=1, ori_shape=(60, 90))])
    assert metric.evaluate(1)['coco/bbox_mAP'] == 1


@pytest.mark.parametrize('name', REAL_LABELS)
def test_segmentors_of_cityscapes_are_tested_on_the_rain_of_acdc(name, tmp_path, monkeypatch):
    pytest.importorskip('mmseg', reason='mmseg is not installed')
    cfg = Config.fromfile(ROOT / f'configs/perception/{name}.py')
    monkeypatch.chdir(tmp_path)
    labels = np.full((54, 96), 255, np.uint8)
    labels[:30] = 11
    mmcv.imwrite(smooth_image(54, 96), 'data/acdc/rgb_anon/rain/val/GOPR0400/GOPR0400_frame_000001_rgb_anon.png')
    mmcv.imwrite(labels, 'data/acdc/gt/rain/val/GOPR0400/GOPR0400_frame_000001_gt_labelTrainIds.png')
    init_default_scope('mmseg')
    data = DATASETS.build(cfg.test_dataloader.dataset)
    assert len(data) == 1 and data.metainfo['classes'][11] == 'person'
    item = data[0]
    assert item['inputs'].shape == (3, 1080, 1920)
    assert (item['data_samples'].gt_sem_seg.data[0].numpy() == labels).all()
