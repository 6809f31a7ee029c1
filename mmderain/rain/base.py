"""The interface of a kind of rain."""

import zlib
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

#: Lower and upper bound of a number that is drawn for each image.
Range = tuple[float, float]


def scale_range(bounds: Range, factor: float) -> Range:
    """Return a range whose bounds are multiplied by a factor."""
    return factor * bounds[0], factor * bounds[1]


class RainPreset(ABC):
    """One kind of rain, with the ranges that the rain of each image is drawn from.

    A subclass is a frozen dataclass whose fields are these ranges, and is registered under one or more names by
    :func:`~mmderain.rain.register_rain`.

    Attributes:
        name: name of the kind of rain, the key of its parameters in :class:`~mmderain.rain.DrawnRain`.
        order: position among kinds that are drawn over the same image, smallest first: mist in the scene (0), falling
            streaks (1), drops on the lens (2).
    """

    name: ClassVar[str]
    order: ClassVar[float]

    @property
    def stream(self) -> int:
        """Return the key of this kind's random stream.

        Each kind has its own stream. Therefore a seed gives the same streaks whether or not mist is also drawn. The
        default is the CRC-32 checksum of the name. The kinds bundled with mmderain use 0 (mist), 1 (streaks) and 2
        (drops) instead.
        """
        return zlib.crc32(self.name.encode())

    @abstractmethod
    def scaled(self, strength: float) -> 'RainPreset':
        """Return the preset for ``strength`` times as much rain; severities 1 to 5 are 0.4 to 2."""

    @abstractmethod
    def draw(
        self, image: np.ndarray, rng: np.random.Generator, scale: float, depth: np.ndarray | None = None
    ) -> tuple[np.ndarray, list[dict]]:
        """Draw this rain over an image.

        Args:
            image: (H, W, 3) float32, BGR, 0..255; may exceed 255 where other rain was drawn before. It is not changed.
            rng: source of every random choice.
            scale: factor on lengths, widths and radii: the image's height over the reference height.
            depth: (H, W), meters from 0; None if it is unknown.

        Returns:
            The rainy image, (H, W, 3) float32, and the drawn parameters, which JSON can hold: one dict for each layer,
            drop or the like.
        """
