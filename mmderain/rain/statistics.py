"""Statistics of the rain in pairs of rainy and clean images, to compare synthetic rain with the rain of a benchmark.

The residual of a pair is the brightness that the rain added. Synthetic rain is similar to that of a benchmark if the
histograms of the residuals are similar and the streaks have similar lengths.
"""

from collections.abc import Iterable

import numpy as np

from mmderain.evaluation import measure

#: Largest lag of :func:`autocorrelation`, px.
FARTHEST_LAG = 100


def residual(rainy: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return the brightness that the rain added to an image, (H, W, 3) int, 0 to 255. Negative differences become 0."""
    return np.clip(rainy.astype(int) - clean, 0, 255)


def autocorrelation(added: np.ndarray) -> np.ndarray:
    """Return the autocorrelation of a residual along the streaks.

    At each pixel, the largest value of the three channels is used. The direction of the streaks is taken to be the
    direction in which the autocorrelation falls most slowly.

    Args:
        added: (H, W, 3), see :func:`residual`.

    Returns:
        Autocorrelation at the lags 0, 0.5, 1, .. pixels, (2 * FARTHEST_LAG,); it is 1 at lag 0. The array is shorter
        for an image smaller than the farthest lag.
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
    """Return the lag in px at which an :func:`autocorrelation` first falls below 0.5.

    If it never falls below 0.5, return the lag that follows its last one.
    """
    below = np.flatnonzero(line < 0.5)
    return float(below[0] if below.size else line.size) / 2


def rain_statistics(pairs: Iterable[tuple[np.ndarray, np.ndarray]], lengths: bool = True) -> dict:
    """Return statistics of pairs of images; the residuals of all pixels and channels are pooled.

    Args:
        pairs: (rainy, clean), BGR uint8 (H, W, 3).
        lengths: whether to compute the lengths of the streaks, which takes most of the time.

    Returns:
        A dict with these keys:

        * ``psnr_y`` (dB) and ``ssim_y_valid``: means over the pairs.
        * ``mean``, ``median``, ``percentile_99``: of the residuals, on 0..255.
        * ``histogram``: share of residuals at each level, (256,).
        * ``share_above_5``: share of residuals above 5.
        * ``saturated``: share of rainy pixels with a channel at 255.
        * ``half_length`` (px) and ``autocorrelation``: means over the pairs; None without ``lengths``.
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
    """Return the Wasserstein distance between the residuals in two results of :func:`rain_statistics`, in gray levels.

    The distance is the area between the cumulative histograms.
    """
    return float(np.abs(np.cumsum(one['histogram']) - np.cumsum(other['histogram'])).sum())
