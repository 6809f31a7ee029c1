"""Detectors and segmentors on single images."""

from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT
from mmengine.structures import InstanceData, PixelData
from torchvision.ops import box_iou

from mmderain.apis import trained_derainer
from mmderain.errors import InputError
from mmderain.hub import bundled_models, find_derainer
from mmderain.io.image import read_image
from mmderain.perception.scene import view_scene
from mmderain.perception.task import TaskInferencer, load_task_model
from mmderain.rain import draw_rain

STREET = ROOT / 'demo/street'


@pytest.mark.usefixtures('task_models')
def test_detector_finds_persons_in_a_test_frame():
    """Compare the boxes with boxes from background subtraction, which were inspected."""
    task = load_task_model('street-detector')
    assert (task.kind, task.classes, task.score_threshold) == ('detector', ('person',), 0.3)
    found = task(read_image(STREET / '00610.jpg')).pred_instances
    found = found[found.scores >= task.score_threshold]
    truth = torch.tensor(
        [[148, 143, 24, 68], [8, 184, 35, 69], [506, 189, 36, 86], [716, 230, 45, 99], [528, 293, 58, 108]]
        + [[641, 304, 29, 110], [347, 427, 52, 149]]
    )
    overlap = box_iou(torch.cat([truth[:, :2], truth[:, :2] + truth[:, 2:]], 1).float(), found.bboxes)
    assert (overlap.max(1).values > 0.5).all() and len(found) <= 8


@pytest.mark.usefixtures('task_models')
def test_segmentor_finds_persons_in_a_test_frame():
    task = load_task_model('street-segmentor')
    assert (task.kind, task.classes) == ('segmentor', ('background', 'person'))
    labels = task(read_image(STREET / '00610.jpg')).pred_sem_seg.data[0].numpy()
    assert labels.shape == (576, 768) and 0.01 < labels.mean() < 0.05


def bare(kind, classes, threshold=0.3):
    task = TaskInferencer.__new__(TaskInferencer)
    task.kind, task.classes, task.score_threshold = kind, classes, threshold
    return task


def boxes(*lines):
    """Return detections from rows of x0, y0, x1, y1, label, score."""
    table = torch.tensor(lines, dtype=torch.float32).reshape(-1, 6)
    instances = InstanceData(bboxes=table[:, :4], labels=table[:, 4].long(), scores=table[:, 5])
    return SimpleNamespace(pred_instances=instances)


def labels(rows):
    return SimpleNamespace(pred_sem_seg=PixelData(data=torch.tensor(rows)[None]))


def test_boxes_are_counted_above_the_threshold():
    task = bare('detector', ('person', 'bus', 'dog'))
    found = boxes([0, 0, 9, 9, 0, 0.9], [0, 0, 9, 9, 1, 0.5], [20, 0, 29, 9, 1, 0.4], [0, 0, 9, 9, 2, 0.29])
    assert task.caption(found) == '1 person, 2 buses; mean score 0.60'
    assert task.caption(boxes([0, 0, 9, 9, 0, 0.1])) == task.caption(boxes()) == 'nothing found'
    # One box agrees. Of the others, one has another class, one is too far away, and one has a low score.
    again = boxes([1, 0, 10, 9, 0, 0.8], [0, 0, 9, 9, 0, 0.9], [26, 0, 35, 9, 1, 0.9], [0, 0, 9, 9, 1, 0.2])
    assert task.agreement(again, found) == '1 of the clean 3'
    assert task.agreement(found, found) == '3 of the clean 3' and task.agreement(boxes(), boxes()) == '0 of the clean 0'


def test_labels_are_counted_as_shares():
    task = bare('segmentor', ('road', 'person', 'sky'))
    assert task.caption(labels([[0, 0, 0], [0, 0, 1]])) == 'road 83.3%, person 16.7%'
    assert task.agreement(labels([[0, 0, 2], [0, 1, 1]]), labels([[0, 0, 0], [0, 1, 1]])) == 'mIoU with the clean 87.5'


@pytest.mark.usefixtures('task_models')
@pytest.mark.parametrize(
    'model, weights, message',
    [
        (
            'street-detecter',
            None,
            "no detector or segmentor is called 'street-detecter'; did you mean 'street-detector'",
        ),
        ('sian', None, 'sian: is a derainer; expected a detector or segmentor'),
        ('gone.py', None, 'gone.py: no such config file'),
        ('mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py', None, 'a config has no weights; name a checkpoint'),
        ('mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py', 'gone.pth', 'gone.pth: no such checkpoint file'),
        (str(ROOT / 'configs/derain/sian_sample.py'), 'gone.pth', "expected 'mmdet' or 'mmseg'"),
    ],
)
def test_error_for_a_task_model_that_cannot_be_loaded(model, weights, message):
    with pytest.raises((InputError, FileNotFoundError), match=message):
        load_task_model(model, weights)


@pytest.mark.usefixtures('task_models')
def test_weights_of_another_model_are_refused():
    other = bundled_models()['street-segmentor'].weights()
    with pytest.raises(InputError, match='street_segmentor.pth does not fit .*atss_r18_street.py'):
        load_task_model(ROOT / 'configs/perception/atss_r18_street.py', other)
    with pytest.raises(InputError, match='street-detector: is a detector; expected a derainer'):
        find_derainer('street-detector')


@pytest.mark.usefixtures('task_models')
def test_a_derainer_in_the_config_is_part_of_the_model(tmp_path):
    """A config with a derainer gives the scores of the plain config for a derained image."""
    (tmp_path / 'chain.py').write_text(
        f"_base_ = '{ROOT}/configs/perception/atss_r18_street.py'\n"
        'test_pipeline = _base_.test_pipeline\n'
        "test_pipeline.insert(1, dict(type='mmderain.Derain', derainer='sian'))\n"
        'test_dataloader = dict(dataset=dict(pipeline=test_pipeline))\n'
    )
    weights = bundled_models()['street-detector'].weights()
    rainy = draw_rain(read_image(STREET / '00740.jpg')[100:324, 60:380], 'heavy', 0).rainy
    chained = load_task_model(tmp_path / 'chain.py', weights)(rainy)
    (view,) = view_scene(rainy, trained_derainer('sian'), None, rain=None)[1:]
    plain = load_task_model('street-detector')(view.image)
    assert torch.equal(chained.pred_instances.scores, plain.pred_instances.scores)
    assert len(plain.pred_instances) > 0
