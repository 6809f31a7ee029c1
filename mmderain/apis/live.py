"""Derain live sources: yield derained frames, or show them in a browser."""

from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from mmderain.io.video.frame import Frame
from mmderain.io.video.live import Latest, MjpegServer, live_frames
from mmderain.models import Derainer

from .temporal import TemporalFilter
from .video_frames import derained_pairs, naming_source


def stream_video(
    model: Derainer,
    source: str | int | Path,
    drop: bool = False,
    temporal: int = 0,
    temporal_method: str | None = None,
) -> Generator[np.ndarray]:
    """Yield the derained frames of a camera, a stream or a file.

    Args:
        model: a derainer in ``eval()`` mode.
        source: number of a camera, an address that begins with ``http://``, ``https://`` or ``rtsp://``, or the path
            of a video.
        drop: True derains only the newest frames, and drops frames that arrive while the network is running. Use True
            for live sources. False derains all frames. Default: False.
        temporal: number of earlier frames to use, see :mod:`mmderain.apis.temporal`.
        temporal_method: method for ``temporal``.

    Yields:
        Derained frames, BGR uint8 (H, W, 3).

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the source cannot be read, sends no frame, or is lost; or the result of the network contains NaN or
            infinite values.
    """
    steady = TemporalFilter(temporal, temporal_method)
    frames = live_frames(source)
    with Latest(frames) if drop else closing(frames) as chosen, naming_source(source):
        rgb = (Frame(number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)) for number, image in enumerate(chosen))
        for pair in derained_pairs(model, rgb, batch_size=1, ahead=0):
            yield cv2.cvtColor(steady(pair.derained), cv2.COLOR_RGB2BGR)


def serve_live(
    model: Derainer,
    source: str | int | Path,
    port: int = 0,
    temporal: int = 0,
    temporal_method: str | None = None,
    announce: Callable[[str], object] = print,
) -> int:
    """Show the derained frames of a live source in the browsers of this machine, until the source ends.

    Frames that arrive while the network is running are dropped. An exception such as KeyboardInterrupt stops the server
    and closes the source.

    Args:
        model: see :func:`stream_video`.
        source: see :func:`stream_video`.
        port: port on 127.0.0.1. 0 chooses a free port.
        temporal: see :func:`stream_video`.
        temporal_method: see :func:`stream_video`.
        announce: function that gets the address of the page.

    Returns:
        Number of frames that were shown.

    Raises:
        InputError: the source cannot be read, or another program uses the port.
    """
    number = 0
    with MjpegServer(port).running() as server:
        announce(server.url)
        with closing(stream_video(model, source, True, temporal, temporal_method)) as frames:
            for image in frames:
                server.show(image)
                number += 1
    return number
