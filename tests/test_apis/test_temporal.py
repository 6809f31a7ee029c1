"""The average over the frames before a frame."""

import cv2
import numpy as np
import pytest
from conftest import smooth_image

from mmderain.apis.temporal import TemporalFilter
from mmderain.errors import InputError


def test_equal_frames_stay_and_noise_is_averaged():
    image = smooth_image(48, 64)
    steady = TemporalFilter(2)
    assert all(np.array_equal(steady(image), image) for _ in range(4))
    noise = [np.full((20, 20, 3), level, np.uint8) for level in (100, 102, 104, 106)]
    steady = TemporalFilter(2, 'fixed')
    weights = np.exp(-((np.array([0, 2, 4]) / 18) ** 2))
    expected = [100, np.sum(weights[:2] * [102, 100]) / weights[:2].sum()]
    expected += [np.sum(weights * [level, level - 2, level - 4]) / weights.sum() for level in (104, 106)]
    assert [steady(image)[5, 5, 0] for image in noise] == [round(value) for value in expected] == [100, 101, 102, 104]


def test_frames_that_differ_a_lot_have_no_effect():
    steady = TemporalFilter(1)
    steady(np.full((20, 20, 3), 10, np.uint8))
    assert (steady(np.full((20, 20, 3), 200, np.uint8)) == 200).all()


def test_sixteen_bits_are_kept():
    steady = TemporalFilter(1)
    steady(np.full((20, 20, 3), 30000, np.uint16))
    assert (steady(np.full((20, 20, 3), 30010, np.uint16)) == 30005).all()


def test_without_earlier_frames_nothing_changes():
    image = smooth_image(48, 64)
    steady = TemporalFilter(0)
    assert steady(image) is image and steady(image) is image


def test_flow_aligns_a_moving_scene():
    """The scene moves by three pixels in each frame. Without alignment, its weak details are blurred."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (60, 120)), (0, 0), 2)
    scene = np.repeat((120 + 8 * noise / noise.std())[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)
    frames = [np.ascontiguousarray(scene[:, 3 * n : 3 * n + 80]) for n in range(3)]
    errors = {}
    for method in ('fixed', 'flow'):
        steady = TemporalFilter(2, method)
        result = [steady(frame) for frame in frames][-1]
        errors[method] = np.abs(result[8:-8, 12:-12].astype(int) - frames[-1][8:-8, 12:-12]).mean()
    assert errors['flow'] < 0.7 and errors['fixed'] > 2


def test_an_unknown_method_is_refused():
    with pytest.raises(InputError, match="temporal_method: found 'mean'; expected flow or fixed"):
        TemporalFilter(1, 'mean')
