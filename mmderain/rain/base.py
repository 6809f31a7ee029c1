"""The base class of all kinds of rain."""

import zlib
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

#: Lower and upper bound of a random number that is sampled for each image.
Range = tuple[float, float]


def scale_range(bounds: Range, factor: float) -> Range:
    """Return a range whose bounds are multiplied by a factor."""
    return factor * bounds[0], factor * bounds[1]


class RainPreset(ABC):
    """One kind of rain, with the ranges from which the parameters of the rain are sampled for each image.

    A subclass is a frozen dataclass whose fields are these ranges. :func:`~mmderain.rain.register_rain` registers an
    instance under a name.

    Attributes:
        name: name of the kind of rain. It is the key of the sampled parameters in :class:`~mmderain.rain.DrawnRain`.
        order: position of this kind if several kinds are drawn over the same image. The kind with the smallest number
            is drawn first: mist in the scene (0), falling streaks (1), drops on the lens (2).
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
        """Return the preset for ``strength`` times as much rain; severities 1 to 5 have the strengths 0.4 to 2."""

    @abstractmethod
    def draw(
        self, image: np.ndarray, rng: np.random.Generator, scale: float, depth: np.ndarray | None = None
    ) -> tuple[np.ndarray, list[dict]]:
        """Draw this rain over an image.

        Args:
            image: (H, W, 3) float32, BGR, 0..255. Values can exceed 255 if other rain was drawn before. The array is
                not changed.
            rng: generator for all random choices.
            scale: factor for lengths, widths and radii: the height of the image divided by the reference height.
            depth: distance of each pixel from the camera in meters, (H, W), 0 or more; None if it is unknown.

        Returns:
            The rainy image, (H, W, 3) float32, and the sampled parameters. The parameters are a list of dicts that can
            be written as JSON, for example one dict for each drop.
        """
