"""One frame of a video."""

from typing import NamedTuple

import numpy as np


class Frame(NamedTuple):
    """One frame of a video.

    Attributes:
        time: presentation time in units of the time base of the video.
        image: the upright frame, (H, W, 3). The type is uint8 for 8-bit videos, and else uint16.
        damaged: number of packets since the previous frame that could not be decoded.
    """

    time: int
    image: np.ndarray
    damaged: int = 0
