"""Views of the frames of a video, side by side."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from conftest import smooth_image
from video_files import unchanged_derainer

from mmderain.io import read_frames, write_frames
from mmderain.perception.scene_files import stream_scenes


class Brightest:
    """A detector that finds a box at the top left, whose score is the brightness of the image."""

    kind, classes, score_threshold = 'detector', ('car', 'person'), 0.3

    def __call__(self, img):
        scores = torch.tensor([float(img.mean()) / 255, 0.1])
        boxes = torch.tensor([[1.0, 2, 11, 12], [0, 0, 1, 1]])
        return SimpleNamespace(pred_instances=SimpleNamespace(labels=torch.tensor([1, 0]), scores=scores, bboxes=boxes))

    def draw(self, img, found):
        return cv2.rectangle(img.copy(), (1, 2), (11, 12), (0, 0, 255), -1)

    def caption(self, found):
        return 'one box'

    def agreement(self, found, reference):
        return 'agrees'


def test_a_video_becomes_a_video_of_views_and_a_list_of_boxes(tmp_path):
    frames = [smooth_image(49, 65, seed) for seed in range(4)]
    write_frames(frames, tmp_path / 'in/a.mp4', 8)
    results = dict(stream_scenes([tmp_path / 'in'], tmp_path / 'out', unchanged_derainer(), Brightest(), 'light'))
    (views,) = results.values()
    assert [(view.title, view.notes) for view in views] == [
        (title, ['4 frames, 4 boxes']) for title in ('clean', 'rainy', 'derained')
    ]
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['a.json', 'a.mp4']
    shown, rate = read_frames(tmp_path / 'out/a.mp4')
    shown = list(shown)
    assert rate == 8 and len(shown) == 4 and shown[0].shape == (74, 198, 3)  # three views of 66x50, and the titles
    for left in (0, 66, 132):
        assert np.abs(shown[0][24 + 5 : 24 + 10, left + 4 : left + 9].astype(int) - (0, 0, 255)).mean() < 25
    content = json.loads((tmp_path / 'out/a.json').read_text())
    assert content['classes'] == ['car', 'person'] and content['rate'] == 8 and len(content['frames']) == 4
    first = content['frames'][0]
    clean = next(read_frames(tmp_path / 'in/a.mp4')[0])
    score = round(float(clean.mean()) / 255, 4)
    assert first['clean'] == [{'label': 'person', 'score': score, 'box': [1, 2, 11, 12]}]
    assert first['rainy'] == first['derained'] and first['rainy'][0]['score'] > score


def test_the_boxes_are_written_before_the_video(tmp_path, monkeypatch):
    write_frames([smooth_image(48, 64)], tmp_path / 'in/a.mp4', 8)
    replaced, replace = [], os.replace
    monkeypatch.setattr(os, 'replace', lambda a, b: replaced.append(Path(b).name) or replace(a, b))
    list(stream_scenes([tmp_path / 'in'], tmp_path / 'out', None, Brightest(), 'light'))
    assert replaced == ['a.json', 'a.mp4']


def test_existing_boxes_are_not_replaced(tmp_path):
    write_frames([smooth_image(48, 64)], tmp_path / 'in/a.mp4', 8)
    boxes = tmp_path / 'out/a.json'
    boxes.parent.mkdir()
    boxes.write_text('boxes of another program')
    ((_, error),) = stream_scenes([tmp_path / 'in'], tmp_path / 'out', None, Brightest(), 'light')
    assert str(error).startswith(f"{boxes}: already exists; use existing='replace'")
    assert boxes.read_text() == 'boxes of another program' and not (tmp_path / 'out/a.mp4').exists()
    ((_, views),) = stream_scenes([tmp_path / 'in'], tmp_path / 'out', None, Brightest(), 'light', existing='replace')
    assert [view.title for view in views] == ['clean', 'rainy'] and len(json.loads(boxes.read_text())['frames']) == 1
