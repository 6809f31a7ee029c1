"""What :func:`~mmderain.apis.derain_video` reports."""

from dataclasses import dataclass
from pathlib import Path


class VideoStoppedError(Exception):
    """A video is not derained completely, because the program stops. The finished segments are kept."""


@dataclass(frozen=True)
class VideoReport:
    """Result of :func:`~mmderain.apis.derain_video`.

    Attributes:
        path: path of the result file.
        frames: number of derained frames.
        flicker: mean absolute change of the pixel values (0 to 255) from one frame to the next. The first value is for
            the rainy video, the second for the derained video. None if it was not measured, and for a single frame.
            Rain streaks change from frame to frame, so a good derainer reduces the flicker. Motion in the scene
            increases both values.
        audio: whether the result has sound.
        complete: whether the result file was written. False if other processes still have to derain their segments,
            see ``VideoOptions.shard``. ``frames`` then counts the frames that are finished so far.
        notes: sentences that tell the user what differs from the source.
    """

    path: Path
    frames: int
    flicker: tuple[float, float] | None
    audio: bool
    complete: bool = True
    notes: tuple[str, ...] = ()
