"""Drops on the lens or on a pane (Eq. 2 of the NASNet paper, with a soft mask in place of a binary mask).

Each drop shows a rotated, magnified and blurred view of the background.
"""

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import cv2
import numpy as np

from .base import RainPreset, Range, scale_range


@dataclass(frozen=True)
class Drop:
    """One drop on an image.

    Attributes:
        x: horizontal position of the center, as a share of the image's width, 0 to 1.
        y: vertical position of the center, as a share of the image's height, 0 to 1.
        radius: radius in pixels of the image.
        flatness: width of the drop divided by its height.
        wobble: deviation of the outline from an ellipse: (amplitude, phase) of the second, third and fourth harmonic.
            Amplitudes are shares of the radius. Phases are in radians.
        magnification: magnification of the view in the drop. A real drop is a wide-angle lens, with a value below 1.
        opacity: opacity of the middle of the drop, 0 to 1.
    """

    x: float
    y: float
    radius: float
    flatness: float
    wobble: tuple[tuple[float, float], ...]
    magnification: float
    opacity: float


@dataclass(frozen=True)
class DropPreset(RainPreset):
    """Ranges from which the drops of one image are sampled, uniformly unless stated otherwise.

    Attributes:
        number: number of drops in the image.
        radius: radius in pixels at the reference height. It is sampled log-uniformly, because small drops are more
            frequent.
        flatness: width of a drop divided by its height.
        magnification: magnification of the view in a drop.
        opacity: opacity of the middle of a drop, 0 to 1.
    """

    name: ClassVar[str] = 'drops'
    order: ClassVar[float] = 2
    stream: ClassVar[int] = 2

    number: Range
    radius: Range
    flatness: Range
    magnification: Range
    opacity: Range

    def scaled(self, strength: float) -> 'DropPreset':
        """Return a preset with more and larger drops. The sum of their areas is ``strength`` times as large."""
        return replace(
            self,
            number=scale_range(self.number, strength**0.5),
            radius=scale_range(self.radius, strength**0.25),
        )

    def sample(self, rng: np.random.Generator, scale: float) -> list[Drop]:
        """Sample the drops of one image. The height of the image is ``scale`` times the reference height."""
        low, high = np.log(self.radius)
        return [
            Drop(
                x=float(rng.random()),
                y=float(rng.random()),
                radius=float(np.exp(rng.uniform(low, high)) * scale),
                flatness=float(rng.uniform(*self.flatness)),
                wobble=tuple((float(rng.uniform(0, 0.12 / k)), float(rng.uniform(0, 2 * np.pi))) for k in (2, 3, 4)),
                magnification=float(rng.uniform(*self.magnification)),
                opacity=float(rng.uniform(*self.opacity)),
            )
            for _ in range(int(np.rint(rng.uniform(*self.number))))
        ]

    def draw(
        self, image: np.ndarray, rng: np.random.Generator, scale: float, depth: np.ndarray | None = None
    ) -> tuple[np.ndarray, list[dict]]:
        """Clip the image to 0..255 as a camera does, and draw drops over it."""
        drops = self.sample(rng, scale)
        return draw_drops(np.clip(image, 0, 255), drops), [asdict(drop) for drop in drops]


def draw_drops(image: np.ndarray, drops: list[Drop]) -> np.ndarray:
    """Draw drops over an image B: ``(1 - M) B + M V``, with the soft mask M and the view V of each drop.

    The view in a drop shows the background, rotated by 180 degrees about the center of the drop and magnified. The view
    is out of focus: it is blurred by a Gaussian whose sigma is a fifth of the radius. The view is brighter at the
    bottom, because the rotated sky is there.

    Args:
        image: (H, W, 3) float32, 0..255.
        drops: drops to draw. Later drops of the list are drawn over earlier drops.

    Returns:
        The image with the drops, (H, W, 3) float32, 0..255.
    """
    height, width = image.shape[:2]
    out = image.copy()
    for drop in drops:
        cx, cy = drop.x * (width - 1), drop.y * (height - 1)
        reach = drop.radius * 1.25 * max(drop.flatness, 1)
        left, right = max(int(cx - reach), 0), min(int(cx + reach) + 2, width)
        top, bottom = max(int(cy - reach), 0), min(int(cy + reach) + 2, height)
        y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
        dx, dy = (x - cx) / drop.flatness, y - cy
        theta = np.arctan2(dy, dx)
        outline = drop.radius * (1 + sum(a * np.cos(k * theta + p) for k, (a, p) in enumerate(drop.wobble, start=2)))
        rho = np.hypot(dx, dy) / outline
        # The outer fifth of the drop is soft, because the lens is focused on the scene and not on the pane.
        mask = drop.opacity * np.clip((1 - rho) / 0.2, 0, 1)[..., None].astype(np.float32)
        seen = reach / min(drop.magnification, 1)
        view = cv2.remap(
            _surroundings(image, cx, cy, seen, drop.radius / 5),
            (seen - (x - cx) / drop.magnification).astype(np.float32),
            (seen - (y - cy) / drop.magnification).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        light = (1 + 0.2 * np.clip(dy / drop.radius, -1, 1))[..., None].astype(np.float32)
        part = out[top:bottom, left:right]
        part += mask * (np.minimum(view * light, 255) - part)
    return out


def _surroundings(image: np.ndarray, cx: float, cy: float, reach: float, sigma: float) -> np.ndarray:
    """Return a blurred square of the image around a drop.

    The center of the drop is (cx, cy) in the image and (reach, reach) in the square. Where the square extends beyond
    the image, it shows the reflected image.
    """
    side = int(2 * reach) + 3
    patch = cv2.warpAffine(
        image,
        np.array([[1, 0, reach - cx], [0, 1, reach - cy]], np.float64),
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return cv2.GaussianBlur(patch, (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REFLECT_101)
