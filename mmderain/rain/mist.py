"""Mist: distant parts of the scene fade into the airlight (NASNet, Eq. 3, without its streaks)."""

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np

from .base import RainPreset, Range, scale_range

#: Depth in meters at the lower edge of an image without a depth map, and at and above its horizon.
NEAREST, FARTHEST = 6.0, 150.0


@dataclass(frozen=True)
class Mist:
    """The mist of one image.

    Attributes:
        beta: scattering coefficient, per meter.
        airlight: brightness of the mist, 0 to 1.
        horizon: height of the horizon, as a share of the image's height from the top; used if no depth is given.
    """

    beta: float
    airlight: float
    horizon: float


@dataclass(frozen=True)
class MistPreset(RainPreset):
    """Ranges that the mist of one image is drawn from, uniformly.

    Attributes:
        beta: scattering coefficient, per meter; RainCityscapes has 0.005 to 0.015.
        airlight: brightness of the mist, 0 to 1; RainCityscapes has 0.8 to 1.
        horizon: height of the horizon, as a share of the image's height from the top; used if no depth is given.
    """

    name: ClassVar[str] = 'mist'
    order: ClassVar[float] = 0
    stream: ClassVar[int] = 0

    beta: Range
    airlight: Range
    horizon: Range

    def scaled(self, strength: float) -> 'MistPreset':
        """Return the preset for mist that is ``strength`` times as dense."""
        return replace(self, beta=scale_range(self.beta, strength))

    def sample(self, rng: np.random.Generator) -> Mist:
        """Return the mist of one image."""
        return Mist(*(float(rng.uniform(*r)) for r in (self.beta, self.airlight, self.horizon)))

    def draw(
        self, image: np.ndarray, rng: np.random.Generator, scale: float, depth: np.ndarray | None = None
    ) -> tuple[np.ndarray, list[dict]]:
        """Draw mist; ``scale`` has no effect, because depth is in meters."""
        mist = self.sample(rng)
        return draw_mist(image, mist, depth), [asdict(mist)]


def gradient_depth(height: int, width: int, horizon: float) -> np.ndarray:
    """Return a depth map for an image without one.

    The depth grows by equal ratios from ``NEAREST`` at the lower edge to ``FARTHEST`` at the horizon, and is constant
    above it. A model of level ground would rise suddenly below the horizon, which shows as a band across houses and
    trees; this is the smoothest model that fits a view along a road.

    Args:
        height: height of the image in pixels.
        width: width of the image in pixels.
        horizon: height of the horizon, as a share of the image's height from the top.

    Returns:
        (height, width) float32, meters.
    """
    below = np.clip(1 - (np.arange(height) + 0.5) / height, 0, 1) / (1 - horizon)
    depth = NEAREST * (FARTHEST / NEAREST) ** np.clip(below, 0, 1)
    return np.repeat(depth.astype(np.float32)[:, None], width, axis=1)


def draw_mist(image: np.ndarray, mist: Mist, depth: np.ndarray | None = None) -> np.ndarray:
    """Return ``B t + 255 A (1 - t)`` with ``t = exp(-beta d)``.

    Args:
        image: (H, W, 3) float32, 0..255.
        mist: its parameters.
        depth: (H, W), meters; by default :func:`gradient_depth`.

    Returns:
        The misty image, (H, W, 3) float32.
    """
    if depth is None:
        height, width = image.shape[:2]
        depth = gradient_depth(height, width, mist.horizon)
    transmission = np.exp(-mist.beta * depth)[..., None].astype(np.float32)
    return image * transmission + 255 * mist.airlight * (1 - transmission)
