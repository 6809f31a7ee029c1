"""Rain streaks like those of the Rain100 benchmarks: gray light that is added to the image (NASNet paper, Eq. 1)."""

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import cv2
import numpy as np

from .base import RainPreset, Range, scale_range


@dataclass(frozen=True)
class StreakLayer:
    """One layer of streaks on an image. All streaks of a layer have the same length, width and angle.

    Attributes:
        density: share of pixels that are the center of a streak.
        length: length of a streak, in pixels of the image.
        sigma: standard deviation of the Gaussian cross-section, in pixels of the image.
        angle: angle in degrees from the vertical. A streak with a positive angle runs from top left to bottom right.
        amplitude: mean peak brightness of the streaks, 0..255.
        variety: coefficient of variation of the peak brightness of the streaks. The peak brightness has a gamma
            distribution. If ``variety`` is 1, this is an exponential distribution.
    """

    density: float
    length: float
    sigma: float
    angle: float
    amplitude: float
    variety: float


@dataclass(frozen=True)
class Streaks:
    """The streaks of one image.

    Attributes:
        layers: layers of streaks. The light of all layers is added.
        ceiling: upper limit of the added light, on the scale where 255 is white. The limit can exceed 255. None means
            no limit.
    """

    layers: tuple[StreakLayer, ...]
    ceiling: float | None


@dataclass(frozen=True)
class StreakPreset(RainPreset):
    """Ranges from which the streaks of one image are sampled, uniformly unless stated otherwise.

    Attributes:
        layers: smallest and largest number of layers. Each layer has its own length, width, brightness and angle.
        density: share of pixels that are the center of a streak, for all layers together, at the reference height.
        length: length of a streak, in pixels at the reference height.
        sigma: standard deviation of the Gaussian cross-section, in pixels at the reference height.
        amplitude: mean peak brightness of the streaks, 0..255.
        angle: standard deviation in degrees. For each image, an angle between the streaks and the vertical is sampled
            from a normal distribution with this standard deviation and mean 0.
        layer_angle: largest difference in degrees between the angle of a layer and the angle of the image.
        variety: coefficient of variation of the peak brightness of the streaks.
        ceiling: upper limit of the added light, on the scale where 255 is white. The sum of the light of all streaks is
            replaced by ``ceiling * (1 - exp(-sum / ceiling))``. None means no limit. Dense rain of benchmarks has such
            a limit: its median brightness is high, but very few pixels are very bright.
    """

    name: ClassVar[str] = 'streaks'
    order: ClassVar[float] = 1
    stream: ClassVar[int] = 1

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
        """Return a preset with more and brighter streaks. Without a ceiling, these add ``strength`` times the light."""
        root = strength**0.5
        return replace(
            self,
            density=scale_range(self.density, root),
            amplitude=scale_range(self.amplitude, root),
        )

    def sample(self, rng: np.random.Generator, scale: float) -> Streaks:
        """Sample the layers of streaks of one image.

        Args:
            rng: generator for all random choices.
            scale: the height of the image divided by the reference height. Lengths and widths are multiplied by
                ``scale``. The density is divided by ``scale ** 2``. Streaks therefore cover the same share of the
                pixels in images of all sizes.
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

    def draw(
        self, image: np.ndarray, rng: np.random.Generator, scale: float, depth: np.ndarray | None = None
    ) -> tuple[np.ndarray, list[dict]]:
        """Add the light of streaks to an image. ``depth`` has no effect."""
        streaks = self.sample(rng, scale)
        height, width = image.shape[:2]
        return image + draw_streaks(height, width, streaks, rng)[..., None], [asdict(streaks)]


def line_kernel(length: float, sigma: float, angle: float) -> np.ndarray:
    """Return the shape of a streak.

    Across the streak, the brightness is Gaussian. Along the streak, the brightness is constant in the middle, and falls
    to 0 over the last quarter of each half.

    Args:
        length: length in pixels.
        sigma: standard deviation of the cross-section in pixels.
        angle: degrees from the vertical, as in :class:`StreakLayer`.

    Returns:
        (k, k) float32 with odd k; the peak is 1.
    """
    radius = int(np.ceil(length / 2 + 3 * sigma))
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    y = x[:, None]
    theta = np.deg2rad(angle)
    along = y * np.cos(theta) + x * np.sin(theta)
    across = x * np.cos(theta) - y * np.sin(theta)
    taper = np.clip((1 - np.abs(along) / (length / 2)) * 4, 0, 1)
    return (np.exp(-(across**2) / (2 * sigma**2)) * taper).astype(np.float32)


def draw_streaks(height: int, width: int, streaks: Streaks, rng: np.random.Generator) -> np.ndarray:
    """Return the light that streaks add to an image.

    Args:
        height: height of the image in pixels.
        width: width of the image in pixels.
        streaks: layers and ceiling of the streaks.
        rng: generator for the position and the brightness of each streak.

    Returns:
        Light on the scale where 255 is white, (height, width) float32. It is never negative, and can exceed 255.
    """
    total: np.ndarray = np.zeros((height, width), np.float32)
    for layer in streaks.layers:
        kernel = line_kernel(layer.length, layer.sigma, layer.angle)
        # A streak whose center is outside the image can reach into the image. On each side, the field is therefore
        # larger than the image by the radius of the kernel.
        margin = kernel.shape[0] // 2
        field = np.zeros((height + 2 * margin, width + 2 * margin), np.float32)
        shape = 1 / layer.variety**2
        # Only few pixels are the center of a streak. It is faster to sample the number and the positions of the centers
        # than to sample a value for every pixel.
        places = rng.integers(field.size, size=rng.binomial(field.size, min(layer.density, 1)))
        np.add.at(field.reshape(-1), places, rng.gamma(shape, layer.amplitude / shape, places.size).astype(np.float32))
        light = cv2.filter2D(field, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        total += light[margin : margin + height, margin : margin + width]
    # For large kernels, filter2D uses a Fourier transform, which can return tiny negative values.
    total = np.maximum(total, 0)
    return total if streaks.ceiling is None else -streaks.ceiling * np.expm1(total / -streaks.ceiling)
