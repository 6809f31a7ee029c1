"""Scenes of many files have the same views as scenes of single files. Only a few images are in memory."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import smooth_image

from mmderain.io import read_image
from mmderain.models import Derainer, NetworkSpec
from mmderain.perception import scene_files
from mmderain.perception.scene import view_scene
from mmderain.perception.scene_files import stream_scenes
from mmderain.registry import MODELS


@MODELS.register_module()
class HalfScene(torch.nn.Module):
    """Network without weights that halves its input."""

    spec = NetworkSpec()

    def forward(self, x):
        return [x / 2]


class Mean:
    """Stand-in for a detector, which computes the mean of the values."""

    kind = 'detector'

    def __call__(self, img):
        return round(float(img.mean()), 3)

    def draw(self, img, found):
        return img

    def caption(self, found):
        return f'mean {found}'

    def agreement(self, found, reference):
        return f'{found - reference:+.3f}'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write 30 images of two sizes. One of them is damaged."""
    monkeypatch.chdir(tmp_path)
    Path('in').mkdir()
    for number in range(30):
        cv2.imwrite(f'in/{number:02}.png', smooth_image(24 + 8 * (number % 2), 32, number))
    Path('in/07.png').write_bytes(b'no image')
    monkeypatch.setattr(scene_files, 'figure', lambda views: np.hstack([view.drawn for view in views]))
    return tmp_path


@pytest.mark.parametrize('rain', ['light', None])
@pytest.mark.parametrize('derainer', [Derainer(dict(type='HalfScene')), None])
def test_the_views_are_those_of_single_images(folder, rain, derainer):
    found = dict(stream_scenes(['in'], 'out', derainer, Mean(), rain, seed=5))
    assert list(found) == [f'in/{number:02}.png' for number in range(30)]
    assert str(found.pop('in/07.png')).startswith('in/07.png: cannot be read as an image')
    for name, views in found.items():
        expected = view_scene(read_image(name), derainer, Mean(), rain, [5, int(Path(name).stem)])
        assert [(view.title, view.notes, view.scores) for view in views] == [
            (view.title, view.notes, view.scores) for view in expected
        ]
        assert all(np.array_equal(view.image, other.image) for view, other in zip(views, expected, strict=True))
        assert np.array_equal(read_image(f'out/{Path(name).name}'), np.hstack([view.drawn for view in expected]))


def test_only_a_few_images_are_read_ahead(folder, monkeypatch):
    drawn = []
    monkeypatch.setattr(scene_files, 'draw_scene', lambda *args: drawn.append(0) or dict(rainy=args[0]))
    scenes = stream_scenes(['in'], 'out', None, Mean(), 'light')
    assert drawn == []
    assert len(list(itertools.islice(scenes, 3))) == 3 and 3 <= len(drawn) <= 20
    assert len(list(Path('out').iterdir())) == 3
    assert len(list(scenes)) == 27 and len(drawn) == 29


def test_a_video_between_images_keeps_its_place(folder, monkeypatch):
    Path('in/03.mp4').touch()
    monkeypatch.setattr(scene_files, 'show_scene_video', lambda source, target, *_: [source, target])
    Path('out').mkdir()
    cv2.imwrite('out/00.png', smooth_image(8, 8))
    found = dict(stream_scenes(['in'], 'out', None, Mean(), None, existing='skip'))
    assert list(found)[:5] == ['in/01.png', 'in/02.png', 'in/03.mp4', 'in/03.png', 'in/04.png'] and len(found) == 30
    assert found['in/03.mp4'] == [Path('in/03.mp4'), Path('out/03.mp4')]
