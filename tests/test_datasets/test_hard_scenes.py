"""Transforms that add night, lamps, poles and railings to clean images."""

import numpy as np
import pytest
from conftest import smooth_image

from mmderain.datasets.transforms import DarkenToNight, DrawBrightObjects
from mmderain.datasets.transforms.hard_scenes import draw_lamps, draw_poles, draw_railing
from mmderain.errors import InputError


def test_night_follows_its_equation():
    img = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    night = DarkenToNight(1, gain=(0.5, 0.5), gamma=(2, 2))(dict(img=img))['img']
    assert night.dtype == np.uint8 and (night == np.rint(127.5 * (img / 255.0) ** 2)).all()


@pytest.mark.parametrize('transform', [DarkenToNight(0), DrawBrightObjects(0)], ids=repr)
def test_probability_zero_changes_nothing(transform):
    img = smooth_image(30, 40)
    assert transform(dict(img=img))['img'] is img


@pytest.mark.parametrize('kind', [DarkenToNight, DrawBrightObjects])
@pytest.mark.parametrize('prob', [-0.1, 1.5])
def test_a_wrong_probability_is_refused(kind, prob):
    with pytest.raises(InputError, match=f'{kind.__name__}: prob must be a number from 0 to 1, found {prob}'):
        kind(prob)


@pytest.mark.parametrize('draw', [draw_lamps, draw_poles, draw_railing])
def test_objects_change_a_part_of_the_image_and_a_seed_repeats_them(draw):
    img = np.full((96, 128, 3), 60, np.uint8)
    changed = []
    for seed in range(12):
        np.random.seed(seed)
        drawn = draw(img.copy())
        np.random.seed(seed)
        assert (draw(img.copy()) == drawn).all() and drawn.shape == img.shape and drawn.dtype == np.uint8
        changed.append((abs(drawn.astype(int) - img).max(axis=2) > 40).mean())  # without the faint parts of a halo
    assert 0 < max(changed) and np.mean(changed) < 0.6


def test_lamps_only_add_light_and_have_a_bright_middle():
    img = smooth_image(60, 80)
    np.random.seed(1)
    drawn = draw_lamps(img)
    assert (drawn >= img).all() and drawn.max() == 255


def test_the_input_image_stays_unchanged():
    img = smooth_image(60, 80)
    before = img.copy()
    np.random.seed(0)
    for _ in range(10):
        DrawBrightObjects(1)(dict(img=img))
    assert (img == before).all()
