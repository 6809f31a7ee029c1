"""Reduce the flicker of a derained video with the frames before each frame.

Rain streaks are at other places in each frame. Remains of the rain therefore flicker. Each derained frame is replaced
by a weighted mean of itself and of the N derained frames before it. A pixel of an earlier frame gets the weight
``exp(-(d / 18)^2)``. d is the mean absolute difference to the current frame in a window of 7x7 pixels, on the scale 0
to 255. At a moving object, d is large, so that earlier frames have little effect.

There are two methods:

* ``flow`` first aligns the earlier frames with the current frame, by the optical flow DIS of OpenCV. ``flow`` is the
  default, because it improved the PSNR both of a moving and of a fixed camera.
* ``fixed`` uses the earlier frames as they are. ``fixed`` is better for cameras that do not move, and worse for moving
  cameras.

Averages are not averaged again. Therefore, a result depends on only N + 1 frames. docs/en/video.md contains
measurements.
"""

from collections import deque

import cv2
import numpy as np

from mmderain.errors import InputError
from mmderain.io.video.options import TEMPORAL_METHODS

#: Difference between two frames, on the scale 0 to 255, at which the weight is 1/e; and side of the window in pixels.
TOLERANCE, WINDOW = 18.0, 7


class TemporalFilter:
    """Average each frame of a video with the frames before it.

    Args:
        frames: number of earlier frames to use. 0 returns each frame unchanged.
        method: one of :data:`~mmderain.io.video.options.TEMPORAL_METHODS`. None uses the first one.
    """

    def __init__(self, frames: int, method: str | None = None) -> None:
        if method not in (None, *TEMPORAL_METHODS):
            raise InputError(f'temporal_method: found {method!r}; expected {" or ".join(TEMPORAL_METHODS)}')
        self.method = method or TEMPORAL_METHODS[0]
        self._earlier: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=frames)  # frames, and gray versions of them
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._places = np.zeros((0, 0, 2), np.float32)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the weighted mean for the next frame of the video.

        Args:
            image: (H, W, 3), uint8 or uint16.
        """
        if not self._earlier.maxlen:
            return image
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if self.method == 'flow' else image
        if gray.dtype == np.uint16:
            gray = cv2.convertScaleAbs(gray, alpha=1 / 257)  # the optical flow needs 8 bits
        total, weights = image.astype(np.float32), np.ones(image.shape[:2], np.float32)
        for earlier, earlier_gray in self._earlier:
            aligned = self._align(earlier, earlier_gray, gray) if self.method == 'flow' else earlier
            weight = _similarity(aligned, image)
            cv2.add(weights, weight, weights)
            weighted = cv2.multiply(aligned.astype(np.float32), cv2.merge([weight] * 3))  # other dtypes are slow
            cv2.add(total, weighted, total)
        self._earlier.append((image, gray))
        cv2.divide(total, cv2.merge([weights] * 3), total)
        return np.rint(total, total).astype(image.dtype)

    def _align(self, earlier: np.ndarray, earlier_gray: np.ndarray, gray: np.ndarray) -> np.ndarray:
        """Move the pixels of an earlier frame to their places in the current frame."""
        height, width = gray.shape
        if self._places.shape[:2] != gray.shape:
            self._places = np.dstack(
                np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
            )
        flow = self._flow.calc(gray, earlier_gray, np.zeros((height, width, 2), np.float32))
        no_map = np.zeros((0, 0), np.float32)  # the first map contains both coordinates
        return cv2.remap(
            earlier, cv2.add(flow, self._places), no_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )


def _similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return a weight from 0 to 1 for each pixel, (H, W) float32."""
    difference = cv2.transform(cv2.absdiff(first, second), np.full((1, 3), 1 / 3))
    difference = cv2.boxFilter(difference, cv2.CV_32F, (WINDOW, WINDOW))
    tolerance = TOLERANCE * np.iinfo(first.dtype).max / 255
    return cv2.exp(cv2.multiply(difference, difference, scale=-1 / tolerance**2))
