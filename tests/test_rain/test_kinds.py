"""The kinds of rain: streaks, mist and drops."""

import numpy as np
import pytest
from conftest import smooth_image

from mmderain.rain import StreakPreset, draw_rain, synthesize_rain
from mmderain.rain.drops import Drop, draw_drops
from mmderain.rain.mist import FARTHEST, NEAREST, Mist, draw_mist, gradient_depth
from mmderain.rain.streaks import StreakLayer, Streaks, draw_streaks, line_kernel

# --- streaks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('name', ['light', 'heavy', 'varied-light', 'varied-heavy', 'wide-heavy'])
def test_streaks_are_gray_and_the_sum_with_the_image_is_clipped(name):
    clean = smooth_image(60, 80)
    rainy, layer = synthesize_rain(clean, name, 1, return_layer=True)
    assert layer.shape == (60, 80, 3) and layer.min() >= 0 and layer.max() > 20
    assert np.allclose(layer, layer[..., :1], atol=1e-4)
    assert (rainy == np.clip(np.rint(clean + layer), 0, 255)).all()


def test_kernel_has_the_length_width_and_angle_of_the_streak():
    kernel = line_kernel(20, 0.8, 0)
    assert kernel.max() == 1 and np.allclose(kernel, kernel[:, ::-1]) and np.allclose(kernel, kernel[::-1])
    centre = kernel.shape[0] // 2
    # Along the streak, the value is 1 up to three quarters of the half length, and 0 from the half length on. Across
    # the streak, it is Gaussian.
    assert (kernel[centre - 7 : centre + 8, centre] == 1).all() and kernel[centre + 10, centre] == 0
    assert kernel[centre, centre + 1] == pytest.approx(np.exp(-1 / (2 * 0.8**2)), rel=1e-6)
    assert np.allclose(line_kernel(20, 0.8, 90), kernel.T, atol=1e-6)


def test_mean_light_of_streaks_follows_from_their_parameters():
    layer = StreakLayer(density=0.01, length=20, sigma=0.8, angle=10, amplitude=30, variety=0.8)
    drawn = draw_streaks(600, 800, Streaks((layer,), None), np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(0.01 * 30 * line_kernel(20, 0.8, 10).sum(), rel=0.03)
    # For independent streaks, variance = density * E[peak^2] * sum of the squared kernel.
    square = 0.01 * 30**2 * (1 + 0.8**2) * (line_kernel(20, 0.8, 10) ** 2).sum()
    assert drawn.var() == pytest.approx(square, rel=0.05)


def test_overlapping_streaks_approach_the_ceiling():
    layer = StreakLayer(density=0.05, length=20, sigma=0.8, angle=0, amplitude=60, variety=0.8)
    free, bound = (
        draw_streaks(100, 100, Streaks((layer,), ceiling), np.random.default_rng(0)) for ceiling in (None, 100.0)
    )
    assert np.allclose(bound, 100 * (1 - np.exp(-free / 100)), atol=1e-4) and bound.max() < 100 < free.max()


def test_streaks_grow_with_the_image():
    one = StreakPreset((1, 1), (0.001, 0.001), (30, 30), (0.7, 0.7), (50, 50), 0, 0)
    clean = np.zeros((600, 300, 3), np.uint8)

    def half_length(scale):
        layer = draw_rain(clean, one, 0, scale).layer[..., 0]
        layer = layer - layer.mean()
        correlation = [np.mean(layer[: -lag or None] * layer[lag:]) for lag in range(60)]
        return np.argmax(np.array(correlation) < correlation[0] / 2)

    assert half_length(2) == pytest.approx(2 * half_length(1), abs=2)


@pytest.mark.parametrize('preset', ['light', 'heavy'])
def test_rain_is_as_strong_on_large_images_as_on_small_ones(preset):
    small, large = (
        np.mean([draw_rain(np.zeros((*size, 3), np.uint8), preset, seed).layer.mean() for seed in range(6)])
        for size in ((320, 480), (960, 1440))
    )
    assert large == pytest.approx(small, rel=0.05)


# --- mist and drops --------------------------------------------------------------------------------


def test_mist_follows_the_scattering_equation():
    clean = smooth_image(40, 50).astype(np.float32)
    depth = np.linspace(1, 300, 40 * 50, dtype=np.float32).reshape(40, 50)
    misty = draw_mist(clean, Mist(beta=0.01, airlight=0.9, horizon=0.5), depth)
    t = np.exp(-0.01 * depth)[..., None]
    assert np.allclose(misty, clean * t + 0.9 * 255 * (1 - t), atol=1e-3)


def test_default_depth_grows_from_the_bottom_to_the_horizon():
    depth = gradient_depth(1000, 3, horizon=0.4)
    assert depth[-1, 0] == pytest.approx(NEAREST, rel=0.01) and (depth[:401] == pytest.approx(FARTHEST, rel=0.01))
    # The depth grows by the same factor in each row. Half way to the horizon, it is the geometric mean of both ends.
    assert depth[700, 1] == pytest.approx((NEAREST * FARTHEST) ** 0.5, rel=0.01)
    assert (np.diff(depth[:, 0]) <= 0).all()


def test_a_wide_drop_shows_the_background_rotated_and_made_smaller():
    clean = np.zeros((201, 201, 3), np.float32)
    clean[90:111, 150:160] = 200  # outside the drop, right of its center
    drop = Drop(0.5, 0.5, radius=30, flatness=1, wobble=((0, 0),), magnification=0.3, opacity=1)
    drawn = draw_drops(clean, [drop])[..., 0]
    # The center of the bright region is 54.5 px right of the center of the drop.
    assert 100 - np.argmax(drawn[100, :130]) == pytest.approx(0.3 * 54.5, abs=2)


def test_a_drop_shows_the_background_rotated_and_magnified():
    clean = np.zeros((101, 101, 3), np.float32)
    clean[48:53, 60:64] = 200  # right of the centre
    round_drop = Drop(0.5, 0.5, radius=30, flatness=1, wobble=((0, 0),), magnification=1.5, opacity=1)
    drawn = draw_drops(clean, [round_drop])[..., 0]
    # The drop shows the bright region blurred, left of the centre, and 1.5 times as far from the centre.
    assert 50 - np.argmax(drawn[50]) == pytest.approx(1.5 * (61.5 - 50), abs=1) and drawn[50, 61] < 20
    # Outside the drop nothing changes.
    outside = np.hypot(*(np.mgrid[:101, :101] - 50)) > 31
    assert (drawn[outside] == clean[..., 0][outside]).all()


def test_drops_at_the_border_of_a_small_image_give_valid_values():
    drop = Drop(0.0, 1.0, radius=12, flatness=0.8, wobble=((0.1, 1),) * 3, magnification=1.2, opacity=0.9)
    drawn = draw_drops(smooth_image(9, 7).astype(np.float32), [drop])
    assert drawn.shape == (9, 7, 3) and np.isfinite(drawn).all() and drawn.min() >= 0 and drawn.max() <= 255
