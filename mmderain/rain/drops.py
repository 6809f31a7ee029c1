"""Drops on the lens or a pane: each shows a flipped, magnified, blurred view of the background (NASNet, Eq. 2)."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class Drop:
    """One drop, in pixels of its picture.

    Attributes:
        x, y: centre, shares of width and height. radius: px. flatness: width over height.
        wobble: (amplitude, phase) of the outline's second, third and fourth harmonic, shares of the radius.
        magnification: of what is seen in it. opacity: of its middle, 0 to 1.
    """

    x: float
    y: float
    radius: float
    flatness: float
    wobble: tuple[tuple[float, float], ...]
    magnification: float
    opacity: float


@dataclass(frozen=True)
class DropPreset:
    """Ranges that the drops of one picture are drawn from, uniformly unless said otherwise.

    Attributes:
        number: of drops in the picture.
        radius: px at the reference height, log-uniformly: small ones are many.
        flatness: width over height.
        magnification: of what is seen in a drop.
        opacity: of a drop's middle.
    """

    number: Range
    radius: Range
    flatness: Range
    magnification: Range
    opacity: Range

    def scaled(self, strength: float) -> 'DropPreset':
        """Drops that cover ``strength`` times as much: more and larger ones."""
        return replace(
            self,
            number=tuple(strength**0.5 * n for n in self.number),
            radius=tuple(strength**0.25 * r for r in self.radius),
        )

    def sample(self, rng: np.random.Generator, scale: float) -> list[Drop]:
        """The drops of one picture, whose height is ``scale`` times the reference height."""
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


def draw_drops(image: np.ndarray, drops: list[Drop]) -> np.ndarray:
    """``(1 - M) B + M V`` with M each drop's soft mask and V its view of the background.

    The view is turned by 180 degrees about the drop's centre and magnified, out of focus (blurred by a fifth of the
    radius), and lit from below as an inverted sky is.

    Args:
        image: (H, W, 3) float32 on 0..255.

    Returns:
        As ``image``.
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
        # Soft over the last fifth: the lens is focused on the scene, not on the pane.
        mask = drop.opacity * np.clip((1 - rho) / 0.2, 0, 1)[..., None].astype(np.float32)
        view = cv2.remap(
            _surroundings(image, cx, cy, reach, drop.radius / 5),
            (reach - (x - cx) / drop.magnification).astype(np.float32),
            (reach - (y - cy) / drop.magnification).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        light = (1 + 0.2 * np.clip(dy / drop.radius, -1, 1))[..., None].astype(np.float32)
        part = out[top:bottom, left:right]
        part += mask * (np.minimum(view * light, 255) - part)
    return out


def _surroundings(image: np.ndarray, cx: float, cy: float, reach: float, sigma: float) -> np.ndarray:
    """The square of the picture around a drop, mirrored where it ends, with the drop's centre at (reach, reach),
    blurred.
    """
    size = (int(2 * reach) + 3,) * 2
    patch = cv2.warpAffine(
        image,
        np.float64([[1, 0, reach - cx], [0, 1, reach - cy]]),
        size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return cv2.GaussianBlur(patch, (0, 0), max(sigma, 0.3), borderType=cv2.BORDER_REFLECT_101)
