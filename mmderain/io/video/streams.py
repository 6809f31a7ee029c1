"""Copy sound, subtitles, chapters and other streams of a video to the result, packet by packet."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from mmderain.errors import InputError

from .info import VideoInfo, open_video, until_damage
from .options import FORMATS, VideoOptions
from .subtitles import SubtitleConverter, converted_kind

#: Audio codecs that players of MP4 and MOV files support. FFmpeg would also write others, which stay silent.
MP4_AUDIO = ('aac', 'mp3', 'mp2', 'ac3', 'eac3', 'opus', 'flac', 'alac')
#: Entries of the metadata that describe the source file, not its content.
_FILE_METADATA = (
    *('major_brand', 'minor_version', 'compatible_brands', 'encoder', 'duration', 'vendor_id'),
    *('bps', 'number_of_frames', 'number_of_bytes'),  # Matroska, for each stream
)


@dataclass(frozen=True)
class StreamPlan:
    """Which streams of a source are copied to the result.

    Attributes:
        copied: numbers of the streams that are copied packet by packet.
        transcoded: numbers of the audio streams that are encoded again.
        converted: numbers of the subtitle streams whose texts are converted.
        notes: sentences about streams that are converted, or that the result does not contain.
    """

    copied: tuple[int, ...] = ()
    transcoded: tuple[int, ...] = ()
    converted: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def streams(self) -> tuple[int, ...]:
        """Return the numbers of all streams that are used."""
        return tuple(sorted(self.copied + self.transcoded + self.converted))


def plan_streams(info: VideoInfo, target: Path, options: VideoOptions) -> StreamPlan:
    """Choose the streams that are copied, and check that the result can hold the sound.

    Raises:
        InputError: the file format of the result cannot hold the sound.
    """
    copied, transcoded, converted, notes = [], [], [], []
    with open_video(info.path) as source:
        has_chapters = bool(source.chapters())
        for stream in source.streams:
            if stream.index == info.stream:
                continue
            if stream.type == 'audio' and options.audio == 'none':
                continue
            if _can_hold(target, stream):
                copied.append(stream.index)
            elif stream.type == 'audio' and options.audio == 'transcode' and stream.codec_context is not None:
                transcoded.append(stream.index)
            elif stream.type == 'audio':
                raise InputError(
                    f'{info.path}: its sound is {_codec_name(stream)}, which {target.suffix} files cannot hold; use '
                    '--container mkv (in Python, a target that ends in .mkv), --audio transcode, or --audio none'
                )
            elif kind := converted_kind(stream, FORMATS[target.suffix.lower()]):
                converted.append(stream.index)
                notes.append(
                    f'{info.path}: its stream {stream.index} (subtitle, {_codec_name(stream)}) becomes {kind}, because '
                    f'{target.suffix} files cannot hold it; fonts and positions may be lost'
                )
            elif not (stream.type == 'data' and has_chapters):  # the chapters of MP4 files are also a data stream
                notes.append(
                    f'{info.path}: its stream {stream.index} ({stream.type}, {_codec_name(stream)}) is left out, '
                    f'because {target.suffix} files cannot hold it'
                    + ('' if target.suffix == '.mkv' else '; --container mkv may keep it')
                )
    return StreamPlan(tuple(copied), tuple(transcoded), tuple(converted), tuple(notes))


def _codec_name(stream: av.stream.Stream) -> str:
    return stream.codec_context.codec.canonical_name if stream.codec_context is not None else 'of an unknown format'


def _can_hold(target: Path, stream: av.stream.Stream) -> bool:
    """Return whether the file format of a path can hold the packets of a stream."""
    is_mp4 = FORMATS[target.suffix.lower()] in ('mp4', 'mov')
    if stream.type == 'audio' and is_mp4 and _codec_name(stream) not in MP4_AUDIO:
        return False
    if stream.type == 'data' or (stream.type == 'attachment' and target.suffix.lower() != '.mkv'):
        return False
    # Nothing is written, because the header is written with the first packet.
    with av.open(os.devnull, 'w', format=FORMATS[target.suffix.lower()]) as trial:
        try:
            _add_copy(trial, stream)
        except (ValueError, av.error.FFmpegError):
            return False
    return True


def content_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Return the entries of the metadata that are copied."""
    return {key: value for key, value in metadata.items() if key.lower() not in _FILE_METADATA}


def _add_copy(container: av.container.OutputContainer, stream: av.stream.Stream) -> av.stream.Stream:
    added = container.add_stream_from_template(stream, opaque=True)
    added.metadata.update(content_metadata(stream.metadata))
    added.disposition = stream.disposition
    return added


def _layout(layout: av.AudioLayout) -> str:
    """Return the name of a channel layout. AVI files contain only the number of channels."""
    usual = {1: 'mono', 2: 'stereo', 3: '3.0', 4: '4.0', 5: '5.0', 6: '5.1', 7: '6.1', 8: '7.1'}
    return usual.get(layout.nb_channels, layout.name) if 'channels' in layout.name else layout.name


class StreamCopier:
    """Copy the other streams of a source to a result.

    Args:
        plan: the streams to copy.
        info: the source.
        end: time in seconds from which on packets are not copied. None copies all packets.
    """

    def __init__(self, plan: StreamPlan, info: VideoInfo, end: Fraction | None = None) -> None:
        self.plan = plan
        self.info = info
        self.end = end
        self.counts: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._converters: dict[int, SubtitleConverter] = {}

    def add_streams(self, source: av.container.InputContainer, target: av.container.OutputContainer) -> None:
        """Add the streams, the chapters and the metadata to the result, before any packet is written."""
        self._streams: dict[int, av.stream.Stream] = {}
        for number in self.plan.streams:
            stream = source.streams[number]
            if number in self.plan.converted:
                self._converters[number] = SubtitleConverter(stream, target)
                added = self._converters[number].added
                added.metadata.update(content_metadata(stream.metadata))
                added.disposition = stream.disposition
                self._streams[number] = added
            elif number in self.plan.copied:
                self._streams[number] = _add_copy(target, stream)
            else:
                name = 'libopus' if target.format.name == 'webm' else 'aac'
                rate = 48000 if name == 'libopus' else stream.codec_context.sample_rate
                added = target.add_stream(name, rate=rate)
                added.codec_context.layout = _layout(stream.codec_context.layout)
                added.codec_context.bit_rate = 96_000 * stream.codec_context.layout.nb_channels
                added.metadata.update(content_metadata(stream.metadata))
                added.disposition = stream.disposition
                self._streams[number] = added
        target.metadata.update(content_metadata(source.metadata))
        target.set_chapters(self._chapters(source))

    def _chapters(self, source: av.container.InputContainer) -> list[dict]:
        """Return the chapters of the source that begin before the end."""
        chapters = []
        for chapter in source.chapters():
            time_base = chapter['time_base'] or Fraction(1, 1000)
            shift = round(self.info.start / time_base)
            start, stop = chapter['start'] - shift, chapter['end'] - shift
            if self.end is not None:
                if start * time_base >= self.end - self.info.start:
                    continue
                stop = min(stop, round((self.end - self.info.start) / time_base))
            chapters.append({**chapter, 'start': start, 'end': stop})
        return chapters

    def packets(self, source: av.container.InputContainer) -> Iterator[av.Packet]:
        """Yield the packets for the result, in the order of the file."""
        streams = [source.streams[number] for number in self.plan.streams]
        if not streams:
            return
        for packet in until_damage(source.demux(streams)):
            yield from self._convert(packet)
        for number in self.plan.transcoded:
            yield from self._encode(number, None)

    def _convert(self, packet: av.Packet) -> Iterator[av.Packet]:
        number = packet.stream_index
        if number in self.plan.transcoded:
            try:
                frames = packet.decode()
            except av.error.FFmpegError:  # the packet is damaged
                frames = []
            for frame in frames:
                if frame.pts is not None:
                    if self._is_late(frame.pts * frame.time_base):
                        continue
                    frame.pts -= round(self.info.start / frame.time_base)
                yield from self._encode(number, frame)
            return
        if packet.size == 0:
            return
        if packet.stream.type == 'subtitle' and bytes(packet) == b'\0\0':
            return  # an empty text, which FFmpeg writes by itself into the gaps between the subtitles of MP4 files
        if packet.pts is None:  # MPEG program streams contain the times of some packets only
            packet.pts = self._next.get(number, 0) if packet.dts is None else packet.dts
        if packet.dts is None:
            packet.dts = packet.pts
        self._next[number] = packet.pts + (packet.duration or 0)
        if self._is_late(packet.dts * packet.time_base):
            return
        if number in self.plan.converted:
            converted = self._converters[number].convert(packet)
            if converted is None:
                return
            packet = converted
        shift = round(self.info.start / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        packet.stream = self._streams[number]
        yield self._counted(packet)

    def _is_late(self, time: Fraction) -> bool:
        return self.end is not None and time >= self.end

    def _encode(self, number: int, frame: av.AudioFrame | None) -> Iterator[av.Packet]:
        for packet in self._streams[number].encode(frame):
            yield self._counted(packet)

    def _counted(self, packet: av.Packet) -> av.Packet:
        self.counts[packet.stream_index] = self.counts.get(packet.stream_index, 0) + 1
        return packet
