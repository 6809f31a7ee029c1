import mmcv
import numpy as np
import pytest
from conftest import ROOT, picture

from mmderain.datasets.pairing import list_images
from mmderain.datasets.transforms import SynthesizeRain
from mmderain.evaluation import measure
from mmderain.rain import PRESETS, StreakPreset, draw_streaks, synthesize_rain
from mmderain.rain.streaks import line_kernel


def test_rain_is_grey_added_and_clipped():
    clean = picture(60, 80)
    rainy, layer = synthesize_rain(clean, 'heavy', 1, return_layer=True)
    assert layer.shape == (60, 80) and layer.min() >= 0 and layer.max() > 50
    assert (rainy == np.clip(np.rint(clean + layer[..., None]), 0, 255)).all()


def test_seed_decides():
    a, b = (draw_streaks(50, 60, 'light', 7) for _ in range(2))
    assert np.array_equal(a, b) and not np.array_equal(a, draw_streaks(50, 60, 'light', 8))


def test_kernel_is_a_streak_of_that_length_width_and_angle():
    kernel = line_kernel(20, 0.8, 0)
    assert kernel.max() == 1 and np.allclose(kernel, kernel[:, ::-1]) and np.allclose(kernel, kernel[::-1])
    centre = kernel.shape[0] // 2
    # Full strength to three quarters of the half length, nothing beyond it; Gaussian across.
    assert (kernel[centre - 7 : centre + 8, centre] == 1).all() and kernel[centre + 10, centre] == 0
    assert kernel[centre, centre + 1] == pytest.approx(np.exp(-1 / (2 * 0.8**2)), rel=1e-6)
    assert np.allclose(line_kernel(20, 0.8, 90), kernel.T, atol=1e-6)


def test_streaks_grow_with_the_picture():
    one = StreakPreset((1, 1), (0.001, 0.001), (30, 30), (0.7, 0.7), (50, 50), 0, 0)

    def half_length(scale):
        layer = draw_streaks(600, 300, one, 0, scale)
        layer = layer - layer.mean()
        correlation = [np.mean(layer[: -lag or None] * layer[lag:]) for lag in range(60)]
        return np.argmax(np.array(correlation) < correlation[0] / 2)

    assert half_length(2) == pytest.approx(2 * half_length(1), abs=2)


@pytest.mark.parametrize('preset, psnr, ssim', [('light', 25.416, 0.7937), ('heavy', 13.036, 0.3352)])
def test_strength_on_the_shipped_pictures(preset, psnr, ssim):
    """The rainy input's mean figures under the demo's own rain; Rain100L's are 26.90 / 0.838, Rain100H's 13.56 / 0.371
    on their pictures."""
    folder = ROOT / 'demo/sample/test'
    figures = []
    for path in list_images(folder):
        clean = mmcv.imread(str(folder / path))
        results = dict(img=clean, name=path.as_posix(), ori_shape=clean.shape[:2])
        rainy = SynthesizeRain(preset, seed=0)(results)['img']
        figures.append([measure(rainy, clean, 'PSNR-Y'), measure(rainy, clean, 'SSIM-Y(valid)')])
    assert np.mean(figures, axis=0) == pytest.approx([psnr, ssim], abs=0.01)


@pytest.mark.parametrize('preset', ['light', 'heavy'])
def test_rain_is_as_strong_on_large_pictures(preset):
    small = np.mean([draw_streaks(320, 480, preset, seed).mean() for seed in range(12)])
    large = np.mean([draw_streaks(960, 1440, preset, seed).mean() for seed in range(12)])
    assert large == pytest.approx(small, rel=0.05)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match='found float64'):
        synthesize_rain(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="unknown rain preset 'drizzle'; known: light, heavy"):
        draw_streaks(8, 8, 'drizzle', 0)
    assert set(PRESETS) == {'light', 'heavy'}
