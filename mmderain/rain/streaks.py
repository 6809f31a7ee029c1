"""Rain streaks like those of the Rain100 benchmarks: grey, added to the picture, clipped at white."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class StreakLayer:
    """One layer of a picture's rain, in pixels of that picture.

    Attributes:
        density: share of pixels in which a streak begins. length, sigma: of a streak and of its Gaussian
            cross-section, px. angle: degrees from the vertical. amplitude: mean peak brightness on 0..255.
        variety: each streak's peak is gamma distributed with this coefficient of variation, 1 being exponential.
    """

    density: float
    length: float
    sigma: float
    angle: float
    amplitude: float
    variety: float


@dataclass(frozen=True)
class Streaks:
    """The streaks of one picture: their layers, and the brightness on 0..255 that overlapping ones approach (None:
    they add without end).
    """

    layers: tuple[StreakLayer, ...]
    ceiling: float | None


@dataclass(frozen=True)
class StreakPreset:
    """Ranges that the streaks of one picture are drawn from, uniformly unless said otherwise (NASNet, Eq. 1).

    Attributes:
        layers: least and largest number of layers, each with its own length, width, strength and angle.
        density: share of pixels in which a streak begins, all layers together, at the reference height.
        length: of a streak, px at the reference height.
        sigma: half width (of the Gaussian cross-section), px at the reference height.
        amplitude: mean peak brightness of a streak on 0..255.
        angle: standard deviation of the picture's angle from the vertical, normally distributed, degrees.
        layer_angle: how far a layer's angle may be from the picture's, degrees.
        variety: coefficient of variation of the brightness of single streaks.
        ceiling: brightness on 0..255 that overlapping streaks approach, as ``ceiling * (1 - exp(-sum / ceiling))``;
            None lets them add without end. Dense benchmark rain shows it: a high median, few very bright pixels.
    """

    layers: tuple[int, int]
    density: Range
    length: Range
    sigma: Range
    amplitude: Range
    angle: float
    layer_angle: float
    variety: float = 1.0
    ceiling: Range | None = None

    def scaled(self, strength: float) -> 'StreakPreset':
        """Rain that adds ``strength`` times as much light on average: more streaks and brighter ones, alike."""
        root = strength**0.5
        return replace(
            self,
            density=tuple(root * d for d in self.density),
            amplitude=tuple(root * a for a in self.amplitude),
        )

    def sample(self, rng: np.random.Generator, scale: float) -> Streaks:
        """The streaks of one picture.

        Args:
            scale: the picture's height over the reference height, a factor on lengths and widths. Streaks grow
                in both directions with it; its square divides the density, so that they cover the same share.
        """
        number = int(rng.integers(self.layers[0], self.layers[1] + 1))
        density = float(rng.uniform(*self.density)) / number / scale**2
        angle = float(rng.normal(0, self.angle))
        ceiling = None if self.ceiling is None else float(rng.uniform(*self.ceiling))
        layers = tuple(
            StreakLayer(
                density=density,
                length=float(rng.uniform(*self.length)) * scale,
                sigma=float(rng.uniform(*self.sigma)) * scale,
                angle=angle + float(rng.uniform(-self.layer_angle, self.layer_angle)),
                amplitude=float(rng.uniform(*self.amplitude)),
                variety=self.variety,
            )
            for _ in range(number)
        )
        return Streaks(layers, ceiling)


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


def draw_streaks(height: int, width: int, streaks: Streaks, rng: np.random.Generator) -> np.ndarray:
    """The light that streaks add.

    Args:
        height, width: px.

    Returns:
        (height, width) float32, 0 and above, on the scale of 0..255, not clipped at the top.
    """
    total = np.zeros((height, width), np.float32)
    for layer in streaks.layers:
        kernel = line_kernel(layer.length, layer.sigma, layer.angle)
        # Streaks that begin outside reach in: the field is wider by a kernel's radius on each side.
        margin = kernel.shape[0] // 2
        field = np.zeros((height + 2 * margin, width + 2 * margin), np.float32)
        shape = 1 / layer.variety**2
        # Few pixels begin a streak: draw how many and where, not a number for every pixel.
        places = rng.integers(field.size, size=rng.binomial(field.size, min(layer.density, 1)))
        np.add.at(field.reshape(-1), places, rng.gamma(shape, layer.amplitude / shape, places.size).astype(np.float32))
        light = cv2.filter2D(field, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        total += light[margin : margin + height, margin : margin + width]
    # filter2D goes through a Fourier transform, which leaves tiny negative values.
    total = np.maximum(total, 0)
    return total if streaks.ceiling is None else -streaks.ceiling * np.expm1(total / -streaks.ceiling)
