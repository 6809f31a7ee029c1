"""PSNR and SSIM as pure functions, every protocol under a name of its own.

Two papers' figures can be compared only under one protocol: PSNR on Y and on RGB differ by about 1.4 dB, SSIM
by its window and by what happens at the border. ``PROTOCOLS`` holds the ones the field uses; ``measure``
applies one by name. ``ssim_map`` is also what ``SSIMLoss`` is made of.

Pictures are arrays (H, W, 3), BGR, 0..255 (uint8, or float where unrounded values are meant).
"""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmderain.errors import InputError

# ITU-R BT.601 luma on 0..255, offset 16, for R, G, B in [0, 1] (MATLAB's rgb2ycbcr), in B, G, R order.
_Y_WEIGHTS_BGR = (24.966, 128.553, 65.481)


def bgr_to_y(img: np.ndarray, rounded: bool = False) -> np.ndarray:
    """Luma Y of a BGR picture, (H, W, 3) -> (H, W), float64, 16..235 for inputs in 0..255.

    Args:
        img: BGR picture on 0..255.
        rounded: round Y to whole numbers, as MATLAB's ``rgb2ycbcr`` does for uint8 input.
    """
    luma = 16.0 + img.astype(np.float64) @ (np.array(_Y_WEIGHTS_BGR) / 255.0)
    return np.round(luma) if rounded else luma


def gaussian_window(size: int = 11, sigma: float = 1.5) -> Tensor:
    """One-dimensional Gaussian window, (size,), float64, sum 1 (Wang et al., 2004: 11 taps, sigma 1.5)."""
    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    window = torch.exp(-(x**2) / (2 * sigma**2))
    return window / window.sum()


def _filter(maps: Tensor, window: Tensor, padding: int) -> Tensor:
    """Filter the last two dimensions of (..., H, W) with window x window, zeros outside."""
    # All planes as channels of one grouped convolution: 11 to 35 times faster on a CPU than as a batch.
    planes = maps.flatten(0, -3)[None]
    count = planes.shape[1]
    planes = F.conv2d(planes, window.expand(count, 1, 1, -1), padding=(0, padding), groups=count)
    planes = F.conv2d(planes, window[:, None].expand(count, 1, -1, 1), padding=(padding, 0), groups=count)
    return planes.view(*maps.shape[:-2], *planes.shape[-2:])


def ssim_map(
    x: Tensor,
    y: Tensor,
    window: Tensor,
    padding: str = 'valid',
    data_range: float = 1.0,
    sample_covariance: bool = False,
) -> Tensor:
    """Structural similarity of every pixel (Wang et al., 2004, Eq. 13; K = 0.01, 0.03).

    Args:
        x: (..., N, C, H, W); dimensions in front of N share y, whose local statistics are computed once.
        y: (N, C, H, W), same dtype and device; float32 or float64 (half precision gives nonsense).
        window: (k,), k odd, sum 1, same dtype and device; applied along both axes.
        padding: ``'valid'`` keeps only windows that lie inside, ``'same'`` pads zeros.
        data_range: largest possible value less the smallest.
        sample_covariance: divide variances by n - 1 rather than n (scikit-image's default).

    Returns:
        (..., N, C, H', W'), H' = H for ``'same'``, H - k + 1 for ``'valid'``.
    """
    size = window.numel()
    if padding == 'valid' and min(x.shape[-2:]) < size:
        raise ValueError(
            f'SSIM (valid) needs pictures of at least {size}x{size}, found {x.shape[-2]}x{x.shape[-1]}; '
            "use larger pictures or the 'same' protocol"
        )
    pad = {'valid': 0, 'same': size // 2}[padding]
    mean_x, xx, xy = _filter(torch.stack([x, x * x, x * y]), window, pad).unbind(0)
    mean_y, yy = _filter(torch.stack([y, y * y]), window, pad).unbind(0)
    count = float(size * size)
    unbias = count / (count - 1) if sample_covariance else 1.0
    var_x, var_y, cov = (
        unbias * (xx - mean_x**2),
        unbias * (yy - mean_y**2),
        unbias * (xy - mean_x * mean_y),
    )
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    return ((2 * mean_x * mean_y + c1) * (2 * cov + c2)) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))


def _planes(img: np.ndarray, colour: str) -> np.ndarray:
    if colour == 'rgb':
        return img.astype(np.float64)
    return bgr_to_y(img, rounded=colour == 'y_rounded')[..., None]


def psnr(pred: np.ndarray, gt: np.ndarray, colour: str = 'y') -> float:
    """Peak signal-to-noise ratio in dB, peak 255, over the whole picture; infinite for equal pictures.

    Args:
        pred, gt: BGR pictures (H, W, 3) on 0..255.
        colour: ``'y'`` (double precision, unrounded), ``'y_rounded'`` or ``'rgb'`` (all three channels pooled).
    """
    error = np.mean((_planes(pred, colour) - _planes(gt, colour)) ** 2)
    return float('inf') if error == 0 else float(10 * np.log10(255.0**2 / error))


def ssim(pred: np.ndarray, gt: np.ndarray, colour: str = 'y', window: str = 'valid') -> float:
    """Structural similarity, mean over pixels and channels, L = 255.

    Args:
        pred, gt: BGR pictures (H, W, 3) on 0..255.
        colour: as in :func:`psnr`.
        window: ``'valid'`` or ``'same'`` (11x11 Gaussian, sigma 1.5, without or with zero padding), or
            ``'uniform7'`` (7x7 mean, sample covariance, valid: scikit-image's default).
    """
    x, y = (torch.from_numpy(np.ascontiguousarray(_planes(p, colour).transpose(2, 0, 1)))[None] for p in (pred, gt))
    if window == 'uniform7':
        weights, padding = torch.full((7,), 1 / 7, dtype=torch.float64), 'valid'
    else:
        weights, padding = gaussian_window(), window
    return float(ssim_map(x, y, weights, padding, 255.0, sample_covariance=window == 'uniform7').mean())


#: name -> function of (pred, gt). Who uses which: SIAN and MAFNet PSNR-Y and SSIM-Y(valid), JDNet PSNR-RGB and
#: SSIM-RGB(same), NASNet PSNR-RGB and SSIM-RGB(uniform7); Y(rounded) is MATLAB's rgb2ycbcr on uint8.
PROTOCOLS = {
    'PSNR-Y': partial(psnr, colour='y'),
    'PSNR-Y(rounded)': partial(psnr, colour='y_rounded'),
    'PSNR-RGB': partial(psnr, colour='rgb'),
    'SSIM-Y(valid)': partial(ssim, colour='y', window='valid'),
    'SSIM-Y(same)': partial(ssim, colour='y', window='same'),
    'SSIM-Y(rounded,valid)': partial(ssim, colour='y_rounded', window='valid'),
    'SSIM-RGB(valid)': partial(ssim, colour='rgb', window='valid'),
    'SSIM-RGB(same)': partial(ssim, colour='rgb', window='same'),
    'SSIM-RGB(uniform7)': partial(ssim, colour='rgb', window='uniform7'),
}


def measure(pred: np.ndarray, gt: np.ndarray, protocol: str, crop_border: int = 0, name: str = 'the picture') -> float:
    """One figure of one picture.

    Args:
        pred, gt: BGR pictures (H, W, 3) on 0..255.
        protocol: a key of ``PROTOCOLS``.
        crop_border: pixels cut from each side of both pictures first.
        name: what an error calls the picture.

    Raises:
        KeyError: the protocol is unknown.
        InputError: shapes differ, values are not finite, or nothing is left after cropping.
    """
    if protocol not in PROTOCOLS:
        raise KeyError(f'unknown protocol {protocol!r}; known: {", ".join(PROTOCOLS)}')
    if pred.shape != gt.shape or pred.ndim != 3 or pred.shape[2] != 3:
        raise InputError(
            f'{name}: the result has shape {pred.shape}, the truth {gt.shape}; expected the same (H, W, 3). '
            'Check that the pair belongs together and that nothing resized it.'
        )
    if not (np.isfinite(pred).all() and np.isfinite(gt).all()):
        raise InputError(f'{name}: NaN or infinite values in the result or the truth; expected 0..255.')
    if crop_border < 0:
        raise InputError(f'crop_border must be 0 or more, found {crop_border}')
    if crop_border:
        if min(pred.shape[:2]) <= 2 * crop_border:
            raise InputError(
                f'{name}: crop_border={crop_border} leaves nothing of {pred.shape[0]}x{pred.shape[1]} pixels'
            )
        inner = slice(crop_border, -crop_border)
        pred, gt = pred[inner, inner], gt[inner, inner]
    try:
        return PROTOCOLS[protocol](pred, gt)
    except ValueError as error:
        raise InputError(f'{name}: {error}') from error
