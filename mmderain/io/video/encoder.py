"""Encode frames as a video stream."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from mmderain.errors import InputError

from .frame import Frame
from .hdr import hdr_options
from .info import VideoInfo, ffmpeg_reason
from .options import CODECS, FORMATS, VideoOptions, ffmpeg_path
from .reader import to_video_frame


@dataclass(frozen=True)
class Encoding:
    """How the frames of a video are encoded.

    Attributes:
        info: the video whose time base, rate and colors are used.
        codec: name of the codec, see :data:`~mmderain.io.video.CODECS`.
        crf: quality.
        pix_fmt: pixel format by its name in FFmpeg.
        width: width of the encoded frames.
        height: height of the encoded frames.
        notes: sentences that tell the user what differs from the source.
    """

    info: VideoInfo
    codec: str
    crf: int
    pix_fmt: str
    width: int
    height: int
    notes: tuple[str, ...] = ()

    def fit(self, image: np.ndarray) -> np.ndarray:
        """Repeat or remove the last row or column of an image, so that it has the size of the encoded frames.

        Raises:
            InputError: more than one row or column would have to change.
        """
        rows, columns = self.height - image.shape[0], self.width - image.shape[1]
        if max(abs(rows), abs(columns)) > 1:
            raise InputError(
                f'{self.info.path}: a frame has {image.shape[1]}x{image.shape[0]} pixels; expected '
                f'{self.info.width}x{self.info.height} as in the first frame'
            )
        if rows > 0 or columns > 0:
            image = np.pad(image, ((0, max(rows, 0)), (0, max(columns, 0)), (0, 0)), 'edge')
        if rows < 0 or columns < 0:
            image = np.ascontiguousarray(image[: self.height, : self.width])
        return image


def choose_encoding(info: VideoInfo, options: VideoOptions) -> Encoding:
    """Choose pixel format, quality and size of the encoded video.

    Raises:
        InputError: the encoder does not support the pixel format or the bit depth.
    """
    codec = CODECS[options.codec]
    encoder = _require_encoder(options.codec)
    formats = {fmt.name for fmt in encoder.video_formats or []}
    depth = options.bit_depth or (8 if info.bit_depth <= 8 else 10)
    pix_fmt = options.pix_fmt or ('yuv420p' if depth == 8 else 'yuv420p10le')
    # x264 can encode 10 bits, but browsers and most television sets cannot decode them.
    refused = options.codec == 'h264' and depth > 8 and options.pix_fmt is None and options.bit_depth is None
    if options.pix_fmt is None and (refused or pix_fmt not in formats):
        raise InputError(
            f'{info.path}: has {info.bit_depth} bits per value. '
            + ('Most players cannot play h264 with 10 bits' if refused else f'{codec.encoder} encodes 8 bits only')
            + '; use --codec hevc or --codec av1 to keep 10 bits, or --bit-depth 8'
        )
    if pix_fmt not in formats:
        raise InputError(f'pix_fmt: {codec.encoder} cannot encode {pix_fmt!r}; it encodes {", ".join(sorted(formats))}')
    found = max(component.bits for component in av.VideoFormat(pix_fmt).components)
    if options.pix_fmt and options.bit_depth is None and found < min(info.bit_depth, 10):
        raise InputError(
            f'{info.path}: has {info.bit_depth} bits per value, but {pix_fmt} has {found}; use another --pix-fmt, or '
            f'reduce the bits with --bit-depth {found}'
        )
    width, height = _encoded_size(info, pix_fmt, options)
    notes = []
    if (width, height) != (info.width, info.height):
        sizes = f'{info.path}: {info.width}x{info.height} becomes {width}x{height}'
        how = 'repeated' if options.odd == 'repeat' else 'removed'
        notes.append(f'{sizes}, because {options.codec} needs even sizes; the last row or column is {how}')
    if av.VideoFormat(pix_fmt).name.startswith(('yuv444', 'yuv422', 'gbr')):
        notes.append(f'{info.path}: the result is {pix_fmt}, which some players cannot play')
    if info.has_alpha:
        notes.append(f'{info.path}: its transparency is left out')
    if info.is_interlaced:
        notes.append(f'{info.path}: is interlaced; the result contains both fields of each frame as one image')
    lost = list(info.hdr.changing)
    if (info.hdr.display or info.hdr.light) and hdr_options(info.hdr, options.codec) is None:
        lost.insert(0, 'mastering display and light level, which --codec hevc and --codec av1 keep')
    if lost:
        notes.append(f'{info.path}: these HDR metadata are left out: {"; ".join(lost)}')
    crf = codec.crf if options.crf is None else options.crf
    return Encoding(info, options.codec, crf, pix_fmt, width, height, tuple(notes))


def _require_encoder(name: str) -> av.Codec:
    try:
        return av.Codec(CODECS[name].encoder, 'w')
    except av.codec.codec.UnknownCodecError:
        raise InputError(
            f'codec: the installed PyAV has no encoder {CODECS[name].encoder}; choose another --codec'
        ) from None


def _encoded_size(info: VideoInfo, pix_fmt: str, options: VideoOptions) -> tuple[int, int]:
    """Return the width and height of the encoded frames."""
    layout = av.VideoFormat(pix_fmt)
    halved = layout.chroma_width(2) == 1, layout.chroma_height(2) == 1
    if CODECS[options.codec].keeps_odd_sizes:
        return info.width, info.height
    change = 1 if options.odd == 'repeat' else -1
    width, height = (
        size + change * (size % 2 if half else 0) for size, half in zip((info.width, info.height), halved, strict=True)
    )
    if 0 in (width, height):
        raise InputError(f'{info.path}: has {info.width}x{info.height} pixels; nothing is left after --odd crop')
    return width, height


def _reproducible_parameters(codec: str) -> list[str]:
    """Return the encoder parameters that make the bytes of a video depend only on its frames and options."""
    # With AVX-512 instructions, the macroblock tree of x264 gives results that depend on the previous content of the
    # memory, if the width is not a multiple of 128 pixels. x264 does not check whether the processor has the
    # instructions in `asm`, therefore this parameter is only set for processors with AVX-512.
    has_avx512 = torch.backends.cpu.get_cpu_capability().startswith('AVX512')
    return ['asm=AVX2'] if codec == 'h264' and has_avx512 else []


def add_video_stream(container: av.container.OutputContainer, encoding: Encoding) -> av.VideoStream:
    """Add a video stream to a file that is written."""
    codec, info = CODECS[encoding.codec], encoding.info
    options = {'crf': str(encoding.crf), **codec.settings}
    parameters = [*(hdr_options(info.hdr, encoding.codec) or []), *_reproducible_parameters(encoding.codec)]
    if parameters:
        options[codec.parameters] = ':'.join([*filter(None, [options.get(codec.parameters)]), *parameters])
    stream = container.add_stream(codec.encoder, rate=info.rate, options=options)
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = encoding.width, encoding.height, encoding.pix_fmt
    context.time_base = stream.time_base = info.time_base
    if info.sample_aspect_ratio:
        context.sample_aspect_ratio = info.sample_aspect_ratio
    if not av.VideoFormat(encoding.pix_fmt).is_rgb:
        context.colorspace, context.color_range = info.colors.matrix, info.colors.value_range
    context.color_primaries, context.color_trc = info.colors.primaries, info.colors.transfer
    if codec.tag:
        context.codec_tag = codec.tag
    return stream


@contextmanager
def writing_to(target: Path) -> Iterator[None]:
    """Convert the errors of FFmpeg and of the file system in a ``with`` block to an error that names the result file.

    Raises:
        InputError: the block raised such an error.
    """
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(f'{target}: cannot be written ({ffmpeg_reason(error)})') from error


class SegmentWriter:
    """Write frames to a file that contains only video.

    Args:
        path: path of the file. Its suffix chooses the file format.
        encoding: how the frames are encoded.
        faststart: whether the index comes first in the file. This is needed for videos in web pages.

    Attributes:
        times: times of the written packets in the order of the file, in units of the time base of the video.
    """

    def __init__(self, path: Path, encoding: Encoding, faststart: bool = False) -> None:
        self.encoding = encoding
        self.times: list[int] = []
        name, options = FORMATS[path.suffix.lower()], {}
        if name in ('mp4', 'mov'):
            options['video_track_timescale'] = str(encoding.info.time_base.denominator)
            if faststart:
                options['movflags'] = 'faststart'
        self._container = av.open(ffmpeg_path(path), 'w', format=name, options=options)
        self._stream = add_video_stream(self._container, encoding)
        self._start: int | None = None

    def write(self, frame: Frame) -> None:
        """Encode a frame. Its image has the size of the source."""
        if self._start is None:
            self._start = frame.time
        encoded = to_video_frame(self.encoding.fit(frame.image), self.encoding.pix_fmt, self.encoding.info)
        encoded.pts, encoded.time_base = frame.time - self._start, self.encoding.info.time_base
        self._mux(self._stream.encode(encoded))

    def close(self) -> None:
        """Encode the frames that the encoder still holds, and complete the file."""
        self._mux(self._stream.encode(None))
        self._container.close()

    def abort(self) -> None:
        """Close the file after an error. It is incomplete."""
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self._container.close()

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            time = Fraction(packet.pts) * packet.time_base / self.encoding.info.time_base
            self.times.append(round(time) + (self._start or 0))
            self._container.mux(packet)
