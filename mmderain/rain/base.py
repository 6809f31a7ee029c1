"""The base class of all kinds of rain."""

import zlib
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

#: Lower and upper bound of the range from which a number is sampled.
Range = tuple[float, float]


def scale_range(bounds: Range, factor: float) -> Range:
    """Return a range whose bounds are multiplied by a factor."""
    return factor * bounds[0], factor * bounds[1]


class RainPreset(ABC):
    """One kind of rain, with the ranges from which the parameters of the rain are sampled for each image.

    A subclass is a frozen dataclass whose fields are these ranges. :func:`~mmderain.rain.register_rain` registers an
    instance under a name.

    Attributes:
        name: name of the kind of rain. This name is a key in the ``parameters`` of :class:`~mmderain.rain.DrawnRain`.
        order: number that sorts the kinds of rain that are drawn over the same image. The kind with the smallest number
            is drawn first. Mist in the scene has the number 0, falling streaks have 1, and drops on the lens have 2.
    """

    name: ClassVar[str]
    order: ClassVar[float]

    @property
    def stream(self) -> int:
        """Return the number that selects the random stream of this kind of rain.

        Each kind has its own stream of random numbers. Therefore a seed gives the same streaks with and without mist.
        The default number is the CRC-32 checksum of the name. The kinds bundled with mmderain have the numbers 0
        (mist), 1 (streaks) and 2 (drops) instead.
        """
        return zlib.crc32(self.name.encode())

    @abstractmethod
    def scaled(self, strength: float) -> 'RainPreset':
        """Return a preset with ``strength`` times as much rain. The severities 1 to 5 have strengths from 0.4 to 2."""

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
            The rainy image, (H, W, 3) float32, and the sampled parameters. The parameters are a list of dicts, for
            example one dict for each drop. They can be written as JSON.
        """
