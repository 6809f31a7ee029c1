import numpy as np
import pytest
from conftest import smooth_image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mmderain.evaluation import PROTOCOLS, measure
from mmderain.evaluation.functional import bgr_to_y


@pytest.fixture
def pair():
    gt = smooth_image(60, 47)
    noise = np.random.default_rng(0).normal(0, 12, gt.shape)
    return np.clip(np.rint(gt + noise), 0, 255).astype(np.uint8), gt


@pytest.mark.parametrize(
    'bgr, y',
    [((0, 0, 0), 16.0), ((255, 255, 255), 235.0), ((0, 0, 255), 81.481), ((0, 255, 0), 144.553), ((255, 0, 0), 40.966)],
)
def test_luma_of_black_white_and_primary_colors(bgr, y):
    img = np.full((2, 2, 3), bgr, np.uint8)
    assert bgr_to_y(img)[0, 0] == pytest.approx(y, abs=1e-9)
    assert bgr_to_y(img, rounded=True)[1, 1] == round(y)


def test_psnr_of_a_known_error():
    gt = np.full((8, 8, 3), 100, np.uint8)
    pred = gt.copy()
    pred[..., 2] += 10  # red
    assert measure(pred, gt, 'PSNR-RGB') == pytest.approx(10 * np.log10(255**2 / (100 / 3)))
    # The luma Y differs by 65.481 / 255 * 10 = 2.5679. After rounding, it is 104 instead of 102.
    assert measure(pred, gt, 'PSNR-Y') == pytest.approx(20 * np.log10(255 / 2.567882352941), abs=1e-9)
    rounded = abs(round(16 + 2.18999 * 39.2157 + 0.65481 * 3.92157) - round(16 + 85.8824))
    assert measure(pred, gt, 'PSNR-Y(rounded)') == pytest.approx(20 * np.log10(255 / rounded), abs=1e-9)


def test_scores_of_equal_images_are_infinite_and_one(pair):
    gt = pair[1]
    for name in PROTOCOLS:
        assert measure(gt, gt, name) == (float('inf') if name.startswith('PSNR') else pytest.approx(1, abs=1e-12))


def test_rgb_scores_equal_scikit_image(pair):
    pred, gt = pair
    assert measure(pred, gt, 'PSNR-RGB') == pytest.approx(peak_signal_noise_ratio(gt, pred), abs=1e-10)
    reference = structural_similarity(pred / 255.0, gt / 255.0, data_range=1, channel_axis=2)
    assert measure(pred, gt, 'SSIM-RGB(uniform7)') == pytest.approx(reference, abs=1e-12)


def test_gaussian_ssim_on_y_equals_scikit_image(pair):
    a, b = (bgr_to_y(p) for p in pair)
    full = structural_similarity(
        a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )[1]
    assert measure(*pair, 'SSIM-Y(valid)') == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-12)


def test_same_padding_uses_zeros_outside_the_image(pair):
    padded = [np.pad(p, ((5, 5), (5, 5), (0, 0))) for p in pair]
    # SSIM 'valid' of zero-padded images equals SSIM 'same' of the images without padding.
    assert measure(*pair, 'SSIM-RGB(same)') == pytest.approx(measure(*padded, 'SSIM-RGB(valid)'), abs=1e-12)
    assert measure(*pair, 'SSIM-Y(same)') != pytest.approx(measure(*pair, 'SSIM-Y(valid)'), abs=1e-4)


def test_border_is_removed_before_measuring(pair):
    inner = [p[3:-3, 3:-3] for p in pair]
    assert measure(*pair, 'SSIM-Y(valid)', crop_border=3) == measure(*inner, 'SSIM-Y(valid)')


def test_rounded_y_is_a_separate_protocol(pair):
    pred, gt = pair
    assert measure(pred, gt, 'PSNR-Y') != measure(pred, gt, 'PSNR-Y(rounded)')
    assert measure(pred.astype(float) + 0.25, gt, 'PSNR-RGB') != measure(pred, gt, 'PSNR-RGB')


@pytest.mark.parametrize(
    'pred, gt, options, text',
    [
        (np.zeros((4, 4, 3)), np.zeros((4, 5, 3)), {}, r'7.png: the image has shape \(4, 4, 3\)'),
        (np.full((16, 16, 3), np.nan), np.zeros((16, 16, 3)), {}, '7.png: NaN'),
        (np.zeros((16, 16, 3)), np.zeros((16, 16, 3)), dict(crop_border=8), '7.png: crop_border=8 leaves nothing'),
        (
            np.zeros((8, 16, 3)),
            np.ones((8, 16, 3)),
            dict(protocol='SSIM-Y(valid)'),
            '7.png: .*at least 11x11 pixels, found 8x16',
        ),
    ],
)
def test_errors_of_measure_name_the_image(pred, gt, options, text):
    with pytest.raises(ValueError, match=text):
        measure(pred, gt, **{'protocol': 'PSNR-Y', 'name': '7.png'} | options)


def test_error_for_an_unknown_protocol_lists_the_known_ones():
    with pytest.raises(KeyError, match='PSNR-RGB'):
        measure(np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), 'PSNR')
