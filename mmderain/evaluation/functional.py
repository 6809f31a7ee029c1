"""Functions that compute PSNR and SSIM under named protocols.

The scores of two papers can be compared only if both papers use the same protocol. PSNR on Y is about 1.4 dB higher
than PSNR on RGB. SSIM depends on its window and on the padding at the border of the image. ``PROTOCOLS`` maps the name
of each protocol to its function. ``measure`` computes the score of an image under one of these protocols.

Images are arrays (H, W, 3), BGR, 0..255. Their dtype is uint8, or a float type for values that are not rounded.
"""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmderain.errors import InputError

# Weights of B, G and R for the luma Y of ITU-R BT.601, as in MATLAB's rgb2ycbcr. B, G and R are on the scale [0, 1].
# The weighted sum plus 16 is Y on the scale 0..255.
_Y_WEIGHTS_BGR = (24.966, 128.553, 65.481)


def bgr_to_y(img: np.ndarray, rounded: bool = False) -> np.ndarray:
    """Return the luma Y of a BGR image.

    Args:
        img: (H, W, 3), 0..255.
        rounded: round Y to whole numbers, as MATLAB's ``rgb2ycbcr`` does for uint8 input.

    Returns:
        (H, W) float64, 16..235.
    """
    luma = 16.0 + img.astype(np.float64) @ (np.array(_Y_WEIGHTS_BGR) / 255.0)
    return np.round(luma) if rounded else luma


def gaussian_window(size: int = 11, sigma: float = 1.5) -> Tensor:
    """Return a one-dimensional Gaussian window (Wang et al., 2004: size 11, sigma 1.5).

    Args:
        size: number of values in the window.
        sigma: standard deviation in pixels.

    Returns:
        (size,) float64 with sum 1.
    """
    x = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    window = torch.exp(-(x**2) / (2 * sigma**2))
    return window / window.sum()


def _filter(maps: Tensor, window: Tensor, padding: int) -> Tensor:
    """Pad the last two dimensions of (..., H, W) with zeros, and filter them along both axes with the window."""
    # The planes are the channels of one grouped convolution. On a CPU, this is 11 to 35 times faster than a convolution
    # with the planes as the batch.
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
    """Return the structural similarity of every pixel (Wang et al., 2004, Eq. 13; K = 0.01, 0.03).

    Args:
        x: images, (..., N, C, H, W). Every entry of the leading dimensions is compared with the same ``y``.
        y: images, (N, C, H, W). Their local statistics are computed only once.
        window: (k,) with odd k and sum 1. It is applied along both axes. ``x``, ``y`` and ``window`` have the same
            device and the same dtype, which is float32 or float64. Half precision is too coarse.
        padding: ``'valid'`` uses only windows that lie completely inside the image. ``'same'`` pads the image with
            zeros.
        data_range: difference between the largest and the smallest possible value.
        sample_covariance: whether to divide variances and covariances by k * k - 1 instead of k * k, as scikit-image
            does by default.

    Returns:
        (..., N, C, H', W'); H' is H for ``'same'`` and H - k + 1 for ``'valid'``.

    Raises:
        ValueError: ``padding`` is ``'valid'``, and the images are smaller than the window.
    """
    size = window.numel()
    if padding == 'valid' and min(x.shape[-2:]) < size:
        raise ValueError(
            f'SSIM without padding needs images of at least {size}x{size} pixels, found {x.shape[-2]}x{x.shape[-1]}; '
            "use larger images, or a protocol with 'same' in its name"
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


def _planes(img: np.ndarray, color: str) -> np.ndarray:
    """Return the channels that a protocol compares, (H, W, 3) or (H, W, 1) float64."""
    if color == 'rgb':
        return img.astype(np.float64)
    return bgr_to_y(img, rounded=color == 'y_rounded')[..., None]


def psnr(pred: np.ndarray, gt: np.ndarray, color: str = 'y') -> float:
    """Return the peak signal-to-noise ratio of an image, for a peak of 255.

    Args:
        pred: derained image, BGR (H, W, 3); values outside 0..255 are set to 0 or 255 first.
        gt: clean image of the same shape, 0..255.
        color: ``'y'`` uses the luma in double precision. ``'y_rounded'`` uses the luma rounded to whole numbers.
            ``'rgb'`` uses the mean squared error over all three channels.

    Returns:
        PSNR in dB; infinite for equal images.
    """
    error = np.mean((_planes(np.clip(pred, 0, 255), color) - _planes(gt, color)) ** 2)
    return float('inf') if error == 0 else float(10 * np.log10(255.0**2 / error))


def ssim(pred: np.ndarray, gt: np.ndarray, color: str = 'y', window: str = 'valid') -> float:
    """Return the structural similarity of an image, for the data range 255.

    It is the mean of :func:`ssim_map` over all pixels and channels.

    Args:
        pred: derained image, BGR (H, W, 3), 0..255; values outside this range are used as they are.
        gt: clean image of the same shape, 0..255.
        color: as in :func:`psnr`.
        window: ``'valid'`` uses an 11x11 Gaussian window of sigma 1.5 without padding. ``'same'`` uses this window with
            zero padding. ``'uniform7'`` uses the default of scikit-image: a 7x7 mean filter without padding, and the
            sample covariance.

    Raises:
        ValueError: the image is smaller than a window without padding.
    """
    x, y = (torch.from_numpy(np.ascontiguousarray(_planes(p, color).transpose(2, 0, 1)))[None] for p in (pred, gt))
    if window == 'uniform7':
        weights, padding = torch.full((7,), 1 / 7, dtype=torch.float64), 'valid'
    else:
        weights, padding = gaussian_window(), window
    return float(ssim_map(x, y, weights, padding, 255.0, sample_covariance=window == 'uniform7').mean())


#: Maps the name of each protocol to its function of (pred, gt). The configs of SIAN and MAFNet use PSNR-Y and
#: SSIM-Y(valid), those of JDNet use PSNR-RGB and SSIM-RGB(same), and those of NASNet use PSNR-RGB and
#: SSIM-RGB(uniform7). docs/en/metrics.md says which protocols come from the papers' authors, and which are a choice.
#: Protocols with "rounded" in their names round Y, as MATLAB's rgb2ycbcr does for uint8 images.
PROTOCOLS = {
    'PSNR-Y': partial(psnr, color='y'),
    'PSNR-Y(rounded)': partial(psnr, color='y_rounded'),
    'PSNR-RGB': partial(psnr, color='rgb'),
    'PSNR-RGB(float)': partial(psnr, color='rgb'),
    'SSIM-Y(valid)': partial(ssim, color='y', window='valid'),
    'SSIM-Y(same)': partial(ssim, color='y', window='same'),
    'SSIM-Y(rounded,valid)': partial(ssim, color='y_rounded', window='valid'),
    'SSIM-RGB(valid)': partial(ssim, color='rgb', window='valid'),
    'SSIM-RGB(same)': partial(ssim, color='rgb', window='same'),
    'SSIM-RGB(float,same)': partial(ssim, color='rgb', window='same'),
    'SSIM-RGB(uniform7)': partial(ssim, color='rgb', window='uniform7'),
}
#: Protocols for which ImageQuality does not round the derained image, as in the code of JDNet's authors. These
#: protocols need the result of the network, because the values in an image file are already rounded.
UNROUNDED = ('PSNR-RGB(float)', 'SSIM-RGB(float,same)')


def measure(pred: np.ndarray, gt: np.ndarray, protocol: str, crop_border: int = 0, name: str = 'the image') -> float:
    """Return the score of one image under one protocol.

    Args:
        pred: derained image, BGR (H, W, 3), 0..255.
        gt: clean image of the same shape.
        protocol: a key of ``PROTOCOLS``.
        crop_border: number of pixels that are removed from each side of both images before the measurement.
        name: name of the image in error messages.

    Raises:
        KeyError: the protocol is unknown.
        InputError: the shapes differ or are not (H, W, 3), a value is not finite, the image is too small, or
            ``crop_border`` is negative.
    """
    if protocol not in PROTOCOLS:
        raise KeyError(f'unknown protocol {protocol!r}; known: {", ".join(PROTOCOLS)}')
    if pred.shape != gt.shape or pred.ndim != 3 or pred.shape[2] != 3:
        raise InputError(
            f'{name}: the image has shape {pred.shape}, its clean image has shape {gt.shape}; expected the same shape '
            '(H, W, 3). Check that the two images show the same scene, and that neither was resized.'
        )
    if not (np.isfinite(pred).all() and np.isfinite(gt).all()):
        raise InputError(f'{name}: NaN or infinite values in the image or its clean image; expected 0..255.')
    if crop_border < 0:
        raise InputError(f'crop_border must be 0 or more, found {crop_border}')
    if crop_border:
        if min(pred.shape[:2]) <= 2 * crop_border:
            raise InputError(
                f'{name}: crop_border={crop_border} leaves nothing of an image of {pred.shape[0]}x{pred.shape[1]} '
                'pixels; use a smaller crop_border'
            )
        inner = slice(crop_border, -crop_border)
        pred, gt = pred[inner, inner], gt[inner, inner]
    try:
        return PROTOCOLS[protocol](pred, gt)
    except ValueError as error:
        raise InputError(f'{name}: {error}') from error
