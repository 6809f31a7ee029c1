"""Statistics of synthetic rain are compared with statistics of the rain in benchmarks."""

import mmcv
import numpy as np
import pytest
from conftest import ROOT, load_tool, shared

from mmderain.datasets.transforms import SynthesizeRain
from mmderain.evaluation import measure
from mmderain.io.image import list_images, read_image
from mmderain.rain import synthesize_rain
from mmderain.rain.statistics import autocorrelation, half_length, rain_statistics, wasserstein

CALIBRATION = {'light': (26.9, 0.838), 'heavy': (13.56, 0.371)}


def test_rain_on_clean_photographs_has_the_scores_of_the_benchmarks():
    """Compare the mean PSNR and SSIM of rainy images with the values in the papers.

    The values are 26.90 dB and 0.838 for Rain100L, and 13.56 dB and 0.371 for Rain100H.
    """
    folder = shared('data/bsds/val')
    cleans = [read_image(folder / path) for path in list_images(folder)]
    assert len(cleans) == 41
    for preset, (psnr, ssim) in CALIBRATION.items():
        rainy = [synthesize_rain(clean, preset, 1000 + index) for index, clean in enumerate(cleans)]
        mean = [
            np.mean([measure(*pair, protocol) for pair in zip(rainy, cleans, strict=True)])
            for protocol in ('PSNR-Y', 'SSIM-Y(valid)')
        ]
        assert abs(mean[0] - psnr) < 0.3 and abs(mean[1] - ssim) < 0.015, (preset, mean)


def test_heavy_rain_is_closer_to_the_benchmark_than_the_plain_recipe():
    tool = load_tool('dev/compare_rain')
    root = shared('data/rain100h_sample')
    real = [
        (read_image(root / 'rain' / path), read_image(root / 'norain' / path.name.replace('rain', 'norain')))
        for path in list_images(root / 'rain')
    ]
    assert len(real) == 20
    truth = rain_statistics(real, lengths=False)
    # Known statistics of the 20 pairs.
    assert (truth['median'], truth['percentile_99']) == (41, 169)
    assert truth['psnr_y'] == pytest.approx(14.43, abs=0.01)
    cleans = [clean for _, clean in real]
    result, plain = (
        rain_statistics(tool.draw_all(cleans, rain, 3), lengths=False) for rain in ('heavy', tool.PLAIN['heavy'])
    )
    assert wasserstein(truth, result) < wasserstein(truth, plain)
    assert abs(result['percentile_99'] - 169) < abs(plain['percentile_99'] - 169)


@pytest.mark.parametrize('preset, psnr, ssim', [('light', 26.396, 0.7995), ('heavy', 14.514, 0.3843)])
def test_rain_on_the_bundled_images_has_the_known_scores(preset, psnr, ssim):
    """Check the mean scores of the rainy images. The demo prints the scores for heavy rain."""
    folder = ROOT / 'demo/sample/test'
    scores = []
    for path in list_images(folder):
        clean = mmcv.imread(str(folder / path))
        results = dict(img=clean, name=path.as_posix(), ori_shape=clean.shape[:2])
        rainy = SynthesizeRain(preset, seed=0)(results)['img']
        scores.append([measure(rainy, clean, 'PSNR-Y'), measure(rainy, clean, 'SSIM-Y(valid)')])
    assert np.mean(scores, axis=0) == pytest.approx([psnr, ssim], abs=0.01)


def test_half_length_of_a_known_correlation_is_half_of_the_bar():
    bars = np.zeros((200, 200, 3), int)
    rng = np.random.default_rng(0)
    for y, x in zip(rng.integers(0, 160, 300), rng.integers(0, 200, 300), strict=True):
        bars[y : y + 40, x] = 100
    # The correlation of single bars of length 40 falls linearly to 0 at lag 40.
    assert half_length(autocorrelation(bars)) == pytest.approx(20, abs=2)
