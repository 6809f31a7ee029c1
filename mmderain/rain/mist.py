"""Mist: distant parts of the scene fade into a uniform brightness, the airlight.

This is Eq. 3 of the NASNet paper without the streaks S.
"""

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np

from .base import RainPreset, Range, scale_range

#: Depth in meters for an image without a depth map. The nearest depth is at the lower edge of the image. The farthest
#: depth is at the horizon and above it.
NEAREST, FARTHEST = 6.0, 150.0


@dataclass(frozen=True)
class Mist:
    """The mist of one image.

    Attributes:
        beta: scattering coefficient, per meter.
        airlight: brightness of the mist, 0 to 1.
        horizon: distance of the horizon from the top, as a share of the image's height. It is used only if the image
            has no depth map.
    """

    beta: float
    airlight: float
    horizon: float


@dataclass(frozen=True)
class MistPreset(RainPreset):
    """Ranges from which the mist of one image is sampled, uniformly.

    Attributes:
        beta: scattering coefficient, per meter; 0.005 to 0.015 in RainCityscapes.
        airlight: brightness of the mist, 0 to 1; 0.8 to 1 in RainCityscapes.
        horizon: distance of the horizon from the top, as a share of the image's height. It is used only if the image
            has no depth map.
    """

    name: ClassVar[str] = 'mist'
    order: ClassVar[float] = 0
    stream: ClassVar[int] = 0

    beta: Range
    airlight: Range
    horizon: Range

    def scaled(self, strength: float) -> 'MistPreset':
        """Return a preset for mist that is ``strength`` times as dense."""
        return replace(self, beta=scale_range(self.beta, strength))

    def sample(self, rng: np.random.Generator) -> Mist:
        """Sample the mist of one image."""
        return Mist(*(float(rng.uniform(*r)) for r in (self.beta, self.airlight, self.horizon)))

    def draw(
        self, image: np.ndarray, rng: np.random.Generator, scale: float, depth: np.ndarray | None = None
    ) -> tuple[np.ndarray, list[dict]]:
        """Draw mist over an image. ``scale`` has no effect, because the depth is in meters."""
        mist = self.sample(rng)
        return draw_mist(image, mist, depth), [asdict(mist)]


def gradient_depth(height: int, width: int, horizon: float) -> np.ndarray:
    """Return an assumed depth map for an image that has no depth map.

    The depth grows exponentially from ``NEAREST`` at the lower edge to ``FARTHEST`` at the horizon. Above the horizon,
    the depth is constant. The depth of flat ground would grow very fast just below the horizon. The mist would then
    show a horizontal band across houses and trees. Exponential growth is smoother, and also fits a view along a road.

    Args:
        height: height of the image in pixels.
        width: width of the image in pixels.
        horizon: distance of the horizon from the top, as a share of the image's height.

    Returns:
        (height, width) float32, meters.
    """
    below = np.clip(1 - (np.arange(height) + 0.5) / height, 0, 1) / (1 - horizon)
    depth = NEAREST * (FARTHEST / NEAREST) ** np.clip(below, 0, 1)
    return np.repeat(depth.astype(np.float32)[:, None], width, axis=1)


def draw_mist(image: np.ndarray, mist: Mist, depth: np.ndarray | None = None) -> np.ndarray:
    """Draw mist over an image B: ``B t + 255 A (1 - t)``, with ``t = exp(-beta d)``, the airlight A and the depth d.

    Args:
        image: (H, W, 3) float32, 0..255.
        mist: parameters of the mist.
        depth: depth in meters, (H, W); None uses :func:`gradient_depth`.

    Returns:
        The misty image, (H, W, 3) float32.
    """
    if depth is None:
        height, width = image.shape[:2]
        depth = gradient_depth(height, width, mist.horizon)
    transmission = np.exp(-mist.beta * depth)[..., None].astype(np.float32)
    return image * transmission + 255 * mist.airlight * (1 - transmission)
