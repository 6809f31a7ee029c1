"""Transforms that make training images harder to derain: night, lamps, poles and railings.

A network that sees only daylight photographs can learn to remove every thin bright object. These transforms change the
clean image before rain is drawn, so that the objects are also in the target of the training. They use ``numpy.random``,
which mmderain's data sets seed for each item.
"""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmderain.errors import InputError
from mmderain.registry import TRANSFORMS


def require_probability(name: str, prob: float) -> float:
    """Return ``prob``, or raise an InputError that starts with ``name`` if it is not between 0 and 1."""
    if not 0 <= prob <= 1:
        raise InputError(f'{name}: prob must be a number from 0 to 1, found {prob!r}')
    return prob


@TRANSFORMS.register_module()
class DarkenToNight(BaseTransform):
    """Darken ``img`` with a given probability, so that it resembles a photograph at night.

    The new value of a pixel with the value v in [0, 1] is ``gain * v ** gamma``.

    Args:
        prob: probability, 0 to 1.
        gain: range from which the gain is sampled.
        gamma: range from which the exponent is sampled.

    Raises:
        InputError: ``prob`` is not between 0 and 1.
    """

    def __init__(
        self, prob: float = 0.15, gain: tuple[float, float] = (0.25, 0.9), gamma: tuple[float, float] = (1.0, 2.2)
    ) -> None:
        self.prob = require_probability('DarkenToNight', prob)
        self.gain = gain
        self.gamma = gamma

    def transform(self, results: dict) -> dict:
        """Return the results with a darker or unchanged ``img``, uint8."""
        if np.random.random() < self.prob:
            gain, gamma = np.random.uniform(*self.gain), np.random.uniform(*self.gamma)
            table = np.rint(255 * gain * (np.arange(256) / 255) ** gamma).astype(np.uint8)
            results['img'] = cv2.LUT(results['img'], table)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob}, gain={self.gain}, gamma={self.gamma})'


@TRANSFORMS.register_module()
class DrawBrightObjects(BaseTransform):
    """Draw lamps, poles or railings over ``img`` with a given probability.

    Lamps are bright disks with a halo. Poles are single lines, which are much longer than most streaks. Railings are
    parallel lines at equal distances. Each kind is chosen with equal probability.

    Args:
        prob: probability, 0 to 1.

    Raises:
        InputError: ``prob`` is not between 0 and 1.
    """

    def __init__(self, prob: float = 0.15) -> None:
        self.prob = require_probability('DrawBrightObjects', prob)

    def transform(self, results: dict) -> dict:
        """Return the results with the objects drawn over ``img``, uint8."""
        if np.random.random() < self.prob:
            draw = (draw_lamps, draw_poles, draw_railing)[np.random.randint(3)]
            results['img'] = draw(results['img'].copy())
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(prob={self.prob})'


def draw_lamps(img: np.ndarray) -> np.ndarray:
    """Return ``img`` (H, W, 3) uint8 with 1 to 5 lamps. The sum of an image and the light of a lamp is clipped."""
    height, width = img.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    light = np.zeros_like(img, np.float32)
    for _ in range(np.random.randint(1, 6)):
        distance = np.hypot(y - np.random.uniform(0, height), x - np.random.uniform(0, width))
        radius = np.exp(np.random.uniform(np.log(1), np.log(10)))
        disk = np.clip(radius + 0.5 - distance, 0, 1)
        halo = np.random.uniform(0, 0.6) * np.exp(-distance / (radius * np.random.uniform(1, 4)))
        color = np.random.uniform((120, 170, 200), 256)  # BGR, from warm to white
        light += np.maximum(disk, halo)[..., None] * color.astype(np.float32)
    return np.clip(np.rint(img + light), 0, 255).astype(np.uint8)


def draw_line(img: np.ndarray, start: np.ndarray, end: np.ndarray, color: np.ndarray, width: int) -> None:
    """Draw a line with smooth edges over ``img``. The points are (x, y) in pixels."""
    first, last = (np.rint(point * 16).astype(int).tolist() for point in (start, end))
    cv2.line(img, first, last, color.tolist(), width, cv2.LINE_AA, shift=4)


def sample_color() -> np.ndarray:
    """Return a BGR color, which is nearly gray and more often bright than dark."""
    return np.clip(255 * np.random.random() ** 0.5 + np.random.normal(0, 12, 3), 0, 255)


def draw_poles(img: np.ndarray) -> np.ndarray:
    """Return ``img`` (H, W, 3) uint8 with 1 to 4 poles, most of them nearly vertical."""
    size = np.array(img.shape[1::-1], np.float64)
    for _ in range(np.random.randint(1, 5)):
        angle = np.deg2rad(np.random.normal(0, 12) + 90 * (np.random.random() < 0.25))
        half = np.array([np.sin(angle), np.cos(angle)]) * size.max() * np.random.uniform(0.4, 1.2)
        center = np.random.uniform(0, size)
        draw_line(img, center - half, center + half, sample_color(), np.random.randint(1, 6))
    return img


def draw_railing(img: np.ndarray) -> np.ndarray:
    """Return ``img`` (H, W, 3) uint8 with 5 to 15 parallel bars of one color at equal distances."""
    size = np.array(img.shape[1::-1], np.float64)
    angle = np.deg2rad(np.random.normal(0, 15) + 90 * (np.random.random() < 0.25))
    along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    half = along * size.max() * np.random.uniform(0.15, 0.6)
    center, distance = np.random.uniform(0, size), np.random.uniform(5, 16)
    color, width = sample_color(), np.random.randint(1, 4)
    for index in range(np.random.randint(5, 16)):
        middle = center + across * distance * index
        draw_line(img, middle - half, middle + half, color, width)
    return img
