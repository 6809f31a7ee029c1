"""Rain streaks like those of the Rain100 benchmarks: grey, added to the picture, clipped at white.

Pure functions on arrays: the same seed gives the same rain, whatever else has been drawn.
"""

from dataclasses import dataclass

import cv2
import numpy as np

Range = tuple[float, float]

#: Lengths and widths below are meant for pictures of this height and scale with it.
REFERENCE_HEIGHT = 320


@dataclass(frozen=True)
class StreakPreset:
    """Ranges that the rain of one picture is drawn from, uniformly unless said otherwise.

    Attributes:
        layers: least and largest number of layers, each with its own length, width, strength and angle.
        density: share of pixels in which a streak begins, all layers together, at ``REFERENCE_HEIGHT``.
        length: of a streak, px at ``REFERENCE_HEIGHT``.
        sigma: half width (of the Gaussian cross-section), px at ``REFERENCE_HEIGHT``.
        amplitude: mean peak brightness of a streak on 0..255; each streak's is exponentially distributed.
        angle: standard deviation of the picture's angle from the vertical, normally distributed, degrees.
        layer_angle: how far a layer's angle may be from the picture's, degrees.
    """

    layers: tuple[int, int]
    density: Range
    length: Range
    sigma: Range
    amplitude: Range
    angle: float
    layer_angle: float


#: ``light`` is meant to be like Rain100L, ``heavy`` like Rain100H (PSNR-Y and SSIM-Y of their rainy inputs).
PRESETS = {
    'light': StreakPreset(
        layers=(2, 2),
        density=(0.004, 0.008),
        length=(15, 40),
        sigma=(0.6, 0.9),
        amplitude=(14, 34),
        angle=8,
        layer_angle=1,
    ),
    'heavy': StreakPreset(
        layers=(1, 3),
        density=(0.022, 0.044),
        length=(15, 60),
        sigma=(0.5, 0.75),
        amplitude=(24, 50),
        angle=6,
        layer_angle=8,
    ),
}


def line_kernel(length: float, sigma: float, angle: float) -> np.ndarray:
    """A streak's shape, peak 1: Gaussian across, flat along, fading out over the last quarter of each half.

    Args:
        length: px. sigma: px. angle: degrees from the vertical.

    Returns:
        (k, k) float32, k odd.
    """
    radius = int(np.ceil(length / 2 + 3 * sigma))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float64)
    theta = np.deg2rad(angle)
    along = y * np.cos(theta) + x * np.sin(theta)
    across = x * np.cos(theta) - y * np.sin(theta)
    taper = np.clip((1 - np.abs(along) / (length / 2)) * 4, 0, 1)
    return (np.exp(-(across**2) / (2 * sigma**2)) * taper).astype(np.float32)


def draw_streaks(
    height: int, width: int, preset: str | StreakPreset, seed: int, scale: float | None = None
) -> np.ndarray:
    """A rain layer to be added to a picture.

    Args:
        height, width: px.
        preset: a key of ``PRESETS``, or one's own.
        seed: the same seed gives the same rain.
        scale: factor on lengths and widths, whose square divides the density; by default
            ``height / REFERENCE_HEIGHT``. Give the whole picture's when the layer is for a crop of it.

    Returns:
        (height, width) float32, 0 and above, on the scale of 0..255, not clipped at the top.
    """
    if isinstance(preset, str):
        if preset not in PRESETS:
            raise ValueError(f'unknown rain preset {preset!r}; known: {", ".join(PRESETS)}')
        preset = PRESETS[preset]
    scale = height / REFERENCE_HEIGHT if scale is None else scale
    rng = np.random.default_rng(seed)
    number = rng.integers(preset.layers[0], preset.layers[1] + 1)
    # Streaks grow in both directions with the scale; fewer of them cover the same share of the picture.
    density = rng.uniform(*preset.density) / number / scale**2
    angle = rng.normal(0, preset.angle)
    total = np.zeros((height, width), np.float32)
    for _ in range(number):
        kernel = line_kernel(
            rng.uniform(*preset.length) * scale,
            rng.uniform(*preset.sigma) * scale,
            angle + rng.uniform(-preset.layer_angle, preset.layer_angle),
        )
        amplitude = rng.uniform(*preset.amplitude)
        # Streaks that begin outside reach in: the field is wider by a kernel's radius on each side.
        margin = kernel.shape[0] // 2
        shape = (height + 2 * margin, width + 2 * margin)
        seeds = rng.exponential(1.0, shape) * (rng.random(shape) < density)
        streaks = cv2.filter2D(seeds.astype(np.float32), -1, kernel, borderType=cv2.BORDER_CONSTANT)
        total += amplitude * streaks[margin : margin + height, margin : margin + width]
    # filter2D goes through a Fourier transform, which leaves tiny negative values.
    return np.maximum(total, 0)


def synthesize_rain(
    image: np.ndarray,
    preset: str | StreakPreset = 'heavy',
    seed: int = 0,
    scale: float | None = None,
    return_layer: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Draw rain over a clean picture: ``clip(B + R)`` with a grey R, as in Rain100L and Rain100H.

    Args:
        image: (H, W, 3), BGR, uint8.
        preset, seed, scale: as :func:`draw_streaks`.
        return_layer: also return R.

    Returns:
        The rainy picture, (H, W, 3), uint8, rounded and clipped; with ``return_layer`` also (H, W) float32.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'synthesize_rain takes a BGR uint8 picture (H, W, 3), found {image.dtype} {image.shape}')
    layer = draw_streaks(*image.shape[:2], preset, seed, scale)
    rainy = np.clip(np.rint(image + layer[..., None]), 0, 255).astype(np.uint8)
    return (rainy, layer) if return_layer else rainy
