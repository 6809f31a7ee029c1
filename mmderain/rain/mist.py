"""Rain and mist: far things fade into the airlight (NASNet, Eq. 3, without its streaks)."""

from dataclasses import dataclass, replace

import numpy as np

Range = tuple[float, float]

#: Depth in metres at the lower edge, and at and above the horizon, of a picture that comes without a depth map.
NEAREST, FARTHEST = 6.0, 150.0


@dataclass(frozen=True)
class Mist:
    """The mist of one picture. ``beta``: scattering per metre; ``airlight``: on 0..1; ``horizon``: share of the
    height, from the top.
    """

    beta: float
    airlight: float
    horizon: float


@dataclass(frozen=True)
class MistPreset:
    """Ranges that the mist of one picture is drawn from, uniformly.

    Attributes:
        beta: scattering per metre; RainCityscapes has 0.005 to 0.015.
        airlight: on 0..1; RainCityscapes has 0.8 to 1.
        horizon: where it lies, share of the height from the top, if no depth is given.
    """

    beta: Range
    airlight: Range
    horizon: Range

    def scaled(self, strength: float) -> 'MistPreset':
        """Mist ``strength`` times as dense."""
        return replace(self, beta=tuple(strength * b for b in self.beta))

    def sample(self, rng: np.random.Generator, scale: float) -> Mist:
        """The mist of one picture; ``scale`` does not matter, for depth is in metres."""
        return Mist(*(float(rng.uniform(*r)) for r in (self.beta, self.airlight, self.horizon)))


def gradient_depth(height: int, width: int, horizon: float) -> np.ndarray:
    """A depth for pictures that come without one: from ``NEAREST`` at the lower edge by equal ratios to ``FARTHEST``
    at the horizon, and that above it.

    The softest of the models that fit a view along a road; houses and trees are not flat, so a level ground with its
    sudden rise of depth below the horizon shows as a band across them.

    Returns:
        (height, width) float32, m.
    """
    below = np.clip(1 - (np.arange(height) + 0.5) / height, 0, 1) / (1 - horizon)
    depth = NEAREST * (FARTHEST / NEAREST) ** np.clip(below, 0, 1)
    return np.repeat(depth.astype(np.float32)[:, None], width, axis=1)


def draw_mist(image: np.ndarray, mist: Mist, depth: np.ndarray | None = None) -> np.ndarray:
    """``B t + 255 A (1 - t)`` with ``t = exp(-beta d)``.

    Args:
        image: (H, W, 3) float32 on 0..255.
        depth: (H, W), m; by default :func:`gradient_depth`.

    Returns:
        As ``image``.
    """
    if depth is None:
        depth = gradient_depth(*image.shape[:2], mist.horizon)
    transmission = np.exp(-mist.beta * depth)[..., None].astype(np.float32)
    return image * transmission + 255 * mist.airlight * (1 - transmission)
