"""Convert the texts of subtitles, because each file format holds other kinds of them."""

import av
import av.container
import av.stream

#: The kind of subtitles that each format of FFmpeg holds, and the kinds that are converted to it.
_KINDS = {'mp4': 'mov_text', 'mov': 'mov_text', 'matroska': 'subrip', 'webm': 'webvtt'}
_CONVERTED = ('subrip', 'srt', 'mov_text', 'webvtt', 'ass', 'ssa', 'text')


def converted_kind(stream: av.stream.Stream, name: str) -> str | None:
    """Return the kind to which the subtitles of a stream are converted; None if they cannot be converted.

    Images of text, such as the subtitles of Blu-rays, cannot be converted.

    Args:
        stream: a stream of the source.
        name: format of the result in FFmpeg, such as ``'mp4'``.
    """
    context = stream.codec_context
    if stream.type != 'subtitle' or context is None or context.codec.canonical_name not in _CONVERTED:
        return None
    return _KINDS[name]


class SubtitleConverter:
    """Convert the packets of a stream.

    Args:
        stream: the stream of the source.
        target: the result, to which a stream is added.

    Attributes:
        added: the stream of the result.
    """

    def __init__(self, stream: av.stream.Stream, target: av.container.OutputContainer) -> None:
        self._decoder = stream.codec_context
        self._decoder.open(strict=False)  # creates the header with the styles of the text, which the encoder needs
        kind = converted_kind(stream, target.format.name)
        self.added = target.add_stream(kind)
        self._encoder = self.added.codec_context
        self._encoder.subtitle_header = self._decoder.subtitle_header
        self.added.time_base = stream.time_base

    def convert(self, packet: av.Packet) -> av.Packet | None:
        """Return the converted packet; None for a packet without text, and for a damaged one."""
        try:
            texts = self._decoder.decode2(packet)
            converted = self._encoder.encode_subtitle(texts) if texts else None
        except av.error.FFmpegError:
            return None
        if converted is not None:
            converted.pts, converted.dts, converted.duration = packet.pts, packet.dts, packet.duration
            converted.time_base, converted.is_keyframe = packet.time_base, True
        return converted
