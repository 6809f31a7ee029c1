"""Properties of a video: its size, rate, colors, orientation, and the times of its frames."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.container

from mmderain.errors import InputError

from .hdr import HdrMetadata
from .options import ffmpeg_path, require_file

#: Matrices and ranges of colors by their numbers in FFmpeg (AVColorSpace and AVColorRange).
BT709, SMPTE170M, UNSPECIFIED_MATRIX, RGB_MATRIX = 1, 6, 2, 0
LIMITED_RANGE, FULL_RANGE = 1, 2


def assumed_matrix(height: int) -> int:
    """Return the matrix that players assume if a video does not name its matrix: BT.709 from 720 rows on."""
    return BT709 if height >= 720 else SMPTE170M


@dataclass(frozen=True)
class Colors:
    """Meaning of the color values of a video, as the numbers of FFmpeg. See AVColorSpace and the enums after it.

    Attributes:
        matrix: conversion between RGB and YUV (AVColorSpace).
        value_range: range of the values: 1 for 16 to 235, 2 for 0 to 255 (AVColorRange).
        primaries: colors of R, G and B (AVColorPrimaries).
        transfer: transfer function (AVColorTransferCharacteristic).
    """

    matrix: int
    value_range: int
    primaries: int
    transfer: int


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video file. The first video stream of the file that is not a cover image is used.

    Attributes:
        path: the file.
        stream: number of the video stream in the file.
        container: names of the file format in FFmpeg, such as ``'mov,mp4,m4a,3gp,3g2,mj2'``.
        width: width of an upright frame in pixels.
        height: height of an upright frame in pixels.
        rate: average number of frames per second.
        time_base: unit of all times of this video, in seconds.
        bit_depth: number of bits per value.
        colors: meaning of the color values.
        sample_aspect_ratio: width of an upright pixel divided by its height. None if it is not known.
        orientation: the number of counterclockwise rotations by 90 degrees that make a stored frame upright, and
            whether to mirror it horizontally after the rotations.
        times: presentation times of the packets, in the order of the file. An entry can be None.
        keys: numbers of the packets from which decoding can start, in the order of the file.
        has_presentation_times: whether the times of decoded frames are known. AVI files and files without a container
            do not contain them. If False, ``times`` contains generated times.
        announced: number of frames in the complete file: the number of packets, plus the number of frames without a
            packet. The header or the times of the packets announce these frames.
        start: time at which the first stream of the file starts, in seconds. The result starts at 0.
        has_alpha: whether the frames are partly transparent.
        hdr: metadata of an HDR video.
        is_interlaced: whether a frame consists of two fields that were recorded one after the other.
    """

    path: Path
    stream: int
    container: str
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    bit_depth: int
    colors: Colors
    sample_aspect_ratio: Fraction | None
    orientation: tuple[int, bool]
    times: tuple[int | None, ...]
    keys: tuple[int, ...]
    has_presentation_times: bool
    announced: int
    start: Fraction
    has_alpha: bool = False
    hdr: HdrMetadata = HdrMetadata()
    is_interlaced: bool = False

    def missing_frames(self, decoded: int, damaged: int, limit: int | None = None) -> int:
        """Return the number of frames that are missing in a damaged or incomplete file.

        Args:
            decoded: number of frames that could be decoded from the whole file.
            damaged: number of packets that could not be decoded.
            limit: largest number of frames to decode, from the start of the video. None stands for all frames.
        """
        if not damaged and self.announced == len(self.times):
            # Some complete files have more packets than frames, for example with two fields in each frame.
            return 0
        expected = self.announced if limit is None else min(limit, self.announced)
        return max(0, expected - decoded)

    @property
    def step(self) -> int:
        """Return the average distance of two frames in units of the time base."""
        return max(1, round(1 / (self.rate * self.time_base)))


@contextmanager
def open_video(path: str | Path) -> Iterator[av.container.InputContainer]:
    """Open a video file with FFmpeg.

    FFmpeg may only open this file and other local files, so that a playlist cannot make it connect to a server.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the file is not a video, or is damaged so much that it cannot be opened.
    """
    require_file(path)
    try:
        options = {'protocol_whitelist': 'file', 'pattern_type': 'none'}
        container = av.open(ffmpeg_path(path), metadata_errors='replace', options=options)
    except (av.error.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from error
    with container:
        yield container


def _unreadable(path: str | Path, error: Exception) -> InputError:
    return InputError(
        f'{path}: cannot be read as a video; it is damaged, empty or of an unknown format ({ffmpeg_reason(error)})'
    )


def ffmpeg_reason(error: Exception) -> str:
    """Return the reason of an error of FFmpeg, without a number and without the name of a file."""
    text = getattr(error, 'strerror', None) or str(error) or type(error).__name__
    return re.sub(r'^\[Errno -?\d+\] ', '', text).partition(": '")[0]


def main_stream(container: av.container.InputContainer, path: str | Path) -> av.VideoStream:
    """Return the first video stream that is not a cover image."""
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context is not None:
            return stream
    raise InputError(f'{path}: cannot be read as a video; it contains no video stream')


def until_damage(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """Yield packets until the file ends, or until the rest of the file cannot be read."""
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        yield packet


def is_frame(packet: av.Packet) -> bool:
    """Return whether a packet contains a frame that players show. Edit lists of MP4 files can hide frames."""
    return packet.size > 0 and not packet.is_discard
