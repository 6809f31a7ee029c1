"""Decode the frames of a video, with the time of each frame."""

from collections.abc import Iterator

import av
import av.filter
import cv2
import numpy as np
from av.video.reformatter import Interpolation

from .frame import Frame
from .info import FULL_RANGE, LIMITED_RANGE, VideoInfo, is_frame, open_video, until_damage

#: Maps a number of counterclockwise rotations by 90 degrees to the constant of OpenCV.
_ROTATIONS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}
#: How swscale converts. With the faster default, each conversion to RGB makes a video darker by one level. These flags
#: keep the values: the conversion to RGB repeats the subsampled colors, and the conversion back takes their mean.
TO_RGB = Interpolation.POINT | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
FROM_RGB = Interpolation.AREA | Interpolation.ACCURATE_RND
#: Matrices that swscale converts, by their numbers in AVColorSpace. Their numbers in swscale differ.
SWS_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}


class FrameReader:
    """Iterate over the frames of a video, from a key packet on.

    Damaged packets are skipped. Their number is counted, because the frames that can be decoded are still of use.

    Args:
        info: the video, see :func:`~mmderain.io.video.info.scan_video`.
        first: number of the packet with which decoding starts. It must be 0 or a number in ``info.keys``.
        like_opencv: False yields exactly converted RGB images. True yields BGR uint8 images with the values that OpenCV
            reads. They are up to one level darker, and videos with more than 8 bits are reduced to 8.

    Attributes:
        damaged: number of packets that could not be read or decoded so far.
    """

    def __init__(self, info: VideoInfo, first: int = 0, like_opencv: bool = False) -> None:
        self.info = info
        self.first = first
        self._like_opencv = like_opencv
        self._graph: av.filter.Graph | None = None
        self._layout: tuple[int, int, str] | None = None
        self.damaged = 0

    def __iter__(self) -> Iterator[Frame]:
        info, previous, number, counted = self.info, None, self.first, 0
        for frame in self._decoded():
            time = frame.pts if info.has_presentation_times else info.times[min(number, len(info.times) - 1)]
            if time is None or (previous is not None and time <= previous):
                # A repeated time must not shift the frames after it, so the frame comes one unit later.
                is_repeated = time is not None and info.has_presentation_times
                time = 0 if previous is None else previous + (1 if is_repeated else info.step)
            yield Frame(time, self._image(frame), self.damaged - counted)
            previous, number, counted = time, number + 1, self.damaged

    def _decoded(self) -> Iterator[av.VideoFrame]:
        with open_video(self.info.path) as container:
            stream = container.streams[self.info.stream]
            stream.thread_type = 'AUTO'
            number = 0
            for packet in until_damage(container.demux(stream)):
                # Hidden packets before a key packet belong to it, see info.py.
                if packet.size == 0 or number >= self.first or (packet.is_discard and number + 1 > self.first):
                    yield from self._decode(packet)
                number += is_frame(packet)
            yield from self._rest(stream)
        # Packets that the scan has found, but that can no longer be read, for example because the file was shortened.
        self.damaged += max(0, len(self.info.times) - number)

    def _decode(self, packet: av.Packet) -> list[av.VideoFrame]:
        try:
            return packet.decode()
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            self.damaged += 1
            return []

    def _rest(self, stream: av.VideoStream) -> list[av.VideoFrame]:
        """Return the frames that the decoder still holds."""
        try:
            return stream.decode(None)
        except av.error.FFmpegError:
            return []

    def _image(self, frame: av.VideoFrame) -> np.ndarray:
        colors, options = self.info.colors, {}
        if not frame.format.is_rgb:
            # PyAV would use the matrix and the range of the frame, which may be unknown.
            matrix = SWS_MATRICES.get(colors.matrix, SWS_MATRICES[6])
            options = {'src_colorspace': matrix, 'dst_colorspace': matrix}
            options |= {'src_color_range': colors.value_range, 'dst_color_range': FULL_RANGE}
        frame = self._of_declared_size(frame)
        if self._like_opencv:
            image = frame.to_ndarray(format='bgr24', **options)
        else:
            name = 'rgb24' if self.info.bit_depth <= 8 else 'rgb48le'
            image = self._without_color_positions(frame).to_ndarray(format=name, interpolation=TO_RGB, **options)
        turns, mirrored = self.info.orientation
        if turns:
            image = cv2.rotate(image, _ROTATIONS[turns])
        return cv2.flip(image, 1) if mirrored else image

    def _of_declared_size(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the frame with the size of the first frame. The size of some streams changes in the middle."""
        size = self.info.width, self.info.height
        if self.info.orientation[0] % 2:
            size = size[::-1]
        if (frame.width, frame.height) == size:
            return frame
        return frame.reformat(width=size[0], height=size[1], interpolation=Interpolation.BICUBIC)

    def _without_color_positions(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the frame without the tag that tells where the subsampled colors lie between the pixels.

        With the tag, swscale would shift the colors by half a pixel, and the conversion back would not undo this.
        """
        layout = frame.width, frame.height, frame.format.name
        if self._graph is None or self._layout != layout:
            self._graph, self._layout = av.filter.Graph(), layout
            start = self._graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format.name, time_base=self.info.time_base
            )
            remove = self._graph.add('setparams', 'chroma_location=unspecified')
            start.link_to(remove)
            remove.link_to(self._graph.add('buffersink'))
            self._graph.configure()
        self._graph.push(frame)
        return self._graph.pull()


def to_video_frame(image: np.ndarray, pix_fmt: str, info: VideoInfo) -> av.VideoFrame:
    """Convert an RGB image to a frame in the pixel format and the colors of a video.

    Args:
        image: (H, W, 3) RGB, uint8 or uint16.
        pix_fmt: pixel format by its name in FFmpeg.
        info: the video that has the colors.
    """
    frame = av.VideoFrame.from_ndarray(image, format='rgb24' if image.dtype == np.uint8 else 'rgb48le')
    if av.VideoFormat(pix_fmt).is_rgb:
        return frame.reformat(format=pix_fmt)
    colors = info.colors
    matrix = SWS_MATRICES.get(colors.matrix, SWS_MATRICES[6])
    converted = frame.reformat(
        format=pix_fmt,
        interpolation=FROM_RGB,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=FULL_RANGE,
        dst_color_range=colors.value_range or LIMITED_RANGE,
    )
    converted.colorspace, converted.color_range = colors.matrix, colors.value_range
    return converted
