"""Statistics of the rain in pairs of rainy and clean images, to compare synthetic rain with the rain of a benchmark.

The residual of a pair is the brightness that the rain added. Two kinds of rain are similar if the histograms of their
residuals are similar, and if their streaks have similar lengths.
"""

from collections.abc import Iterable

import numpy as np

from mmderain.evaluation import measure

#: Upper limit of the lags of :func:`autocorrelation`, in pixels.
FARTHEST_LAG = 100


def residual(rainy: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return the brightness that the rain added to an image, (H, W, 3) int, 0 to 255. Negative differences become 0."""
    return np.clip(rainy.astype(int) - clean, 0, 255)


def autocorrelation(added: np.ndarray) -> np.ndarray:
    """Return the autocorrelation of a residual along the streaks.

    At each pixel, the largest value of the three channels is used. The function assumes that the autocorrelation falls
    most slowly along the streaks, and returns it for this direction.

    Args:
        added: residual, (H, W, 3), see :func:`residual`.

    Returns:
        Autocorrelation at the lags 0, 0.5, 1, .. pixels, (2 * FARTHEST_LAG,). It is 1 at lag 0. The array is shorter if
        the image is smaller than the largest lag.
    """
    gray = added.max(-1).astype(np.float64)
    height, width = gray.shape
    shape = (2 * height, 2 * width)

    def correlate(x: np.ndarray) -> np.ndarray:
        return np.fft.irfft2(np.abs(np.fft.rfft2(x, shape)) ** 2, shape)

    # Each sum is divided by the number of pixel pairs with that lag.
    maps = correlate(gray - gray.mean()) / np.maximum(np.rint(correlate(np.ones_like(gray))), 1)
    lags = np.arange(0, FARTHEST_LAG, 0.5)
    lags = lags[lags < min(height, width) - 1]
    lines = []
    for degrees in range(-90, 90):
        theta = np.deg2rad(degrees)
        y, x = (np.rint(lags * f(theta)).astype(int) for f in (np.cos, np.sin))
        lines.append(maps[y % shape[0], x % shape[1]] / maps[0, 0])
    return max(lines, key=half_length)


def half_length(line: np.ndarray) -> float:
    """Return the first lag in pixels at which an :func:`autocorrelation` is below 0.5.

    If no value is below 0.5, return the lag that would follow the last lag.
    """
    below = np.flatnonzero(line < 0.5)
    return float(below[0] if below.size else line.size) / 2


def rain_statistics(pairs: Iterable[tuple[np.ndarray, np.ndarray]], lengths: bool = True) -> dict:
    """Return statistics of the rain in pairs of images.

    Args:
        pairs: pairs of a rainy image and its clean image, both BGR uint8 (H, W, 3).
        lengths: whether to compute the lengths of the streaks, which takes most of the time.

    Returns:
        A dict with these keys:

        * ``psnr_y`` (in dB) and ``ssim_y_valid``: means over the pairs.
        * ``mean``, ``median`` and ``percentile_99`` of the residuals, on 0..255. These three statistics, ``histogram``
          and ``share_above_5`` are computed from the residuals of all pixels, channels and pairs together.
        * ``histogram``: share of the residuals at each of the 256 levels, a list.
        * ``share_above_5``: share of the residuals that are larger than 5.
        * ``saturated``: share of the pixels of a rainy image that have the value 255 in at least one channel; mean over
          the pairs.
        * ``half_length`` (in pixels) and ``autocorrelation`` (a list): means over the pairs. None if ``lengths`` is
          False.
    """
    histogram, lines, psnr, ssim, saturated = np.zeros(256), [], [], [], []
    for rainy, clean in pairs:
        added = residual(rainy, clean)
        histogram += np.bincount(added.ravel(), minlength=256)
        psnr.append(measure(rainy, clean, 'PSNR-Y'))
        ssim.append(measure(rainy, clean, 'SSIM-Y(valid)'))
        saturated.append((rainy == 255).any(-1).mean())
        if lengths:
            lines.append(autocorrelation(added))
    histogram /= histogram.sum()
    cumulative = np.cumsum(histogram)
    return dict(
        psnr_y=float(np.mean(psnr)),
        ssim_y_valid=float(np.mean(ssim)),
        mean=float(histogram @ np.arange(256)),
        median=int(np.searchsorted(cumulative, 0.5)),
        percentile_99=int(np.searchsorted(cumulative, 0.99)),
        share_above_5=float(1 - cumulative[5]),
        saturated=float(np.mean(saturated)),
        half_length=float(np.mean([half_length(line) for line in lines])) if lengths else None,
        histogram=histogram.tolist(),
        autocorrelation=np.mean(lines, axis=0).tolist() if lengths else None,
    )


def wasserstein(one: dict, other: dict) -> float:
    """Return the Wasserstein distance in gray levels between the residuals in two results of :func:`rain_statistics`.

    The distance is the area between the two cumulative histograms.
    """
    return float(np.abs(np.cumsum(one['histogram']) - np.cumsum(other['histogram'])).sum())
