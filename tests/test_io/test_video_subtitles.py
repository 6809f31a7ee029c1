"""Subtitles whose texts are converted for another file format."""

from fractions import Fraction

import av
import pytest
from video_files import make_video, packets_of, unchanged_derainer

from mmderain.apis import derain_video
from mmderain.io.video import VideoOptions


def texts_of(path):
    """Return the time, the duration and the text of each subtitle."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        packets = [packet for packet in container.demux(stream) if packet.size > 2]
        return [
            (packet.pts * packet.time_base, packet.duration * packet.time_base, text.dialogue)
            for packet in packets
            for text in stream.codec_context.decode2(packet)
        ]


def write_subtitles(path, kind, contents, language='deu'):
    """Write a video of a second with subtitles of 0.2 seconds each, which begin 0.1 seconds after the video."""
    plain = make_video(path.with_name(f'plain{path.suffix}'), frames=25)
    with av.open(str(plain)) as source, av.open(str(path), 'w') as target:
        video = target.add_stream_from_template(source.streams.video[0])
        stream = target.add_mux_stream(kind)
        stream.time_base, stream.metadata['language'] = Fraction(1, 1000), language
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for packet in packets:
            packet.stream = video
            target.mux(packet)
        for number, content in enumerate(contents):
            packet = av.Packet(content)
            packet.pts = packet.dts = 100 + 300 * number
            packet.duration, packet.time_base, packet.stream = 200, Fraction(1, 1000), stream
            packet.is_keyframe = True
            target.mux(packet)
    plain.unlink()
    return path


def mov_text(text):
    content = text.encode()
    return len(content).to_bytes(2, 'big') + content


LINES = ['first', 'zweite Zeile: ä', '<i>third</i>\nline']
TIMES = [(Fraction(n, 10), Fraction(1, 5)) for n in (1, 4, 7)]


@pytest.mark.parametrize('suffix, codec, kind', [('.mp4', 'h264', 'mov_text'), ('.webm', 'vp9', 'webvtt')])
def test_subrip_becomes_the_kind_of_the_result_and_back(tmp_path, suffix, codec, kind):
    source = write_subtitles(tmp_path / 'a.mkv', 'subrip', [line.encode() for line in LINES])
    options = VideoOptions(codec=codec)
    report = derain_video(unchanged_derainer(), source, tmp_path / f'o{suffix}', options=options)
    assert report.notes == (
        f'{source}: its stream 1 (subtitle, subrip) becomes {kind}, because {suffix} files cannot hold it; fonts and '
        'positions may be lost',
    )
    with av.open(str(report.path)) as container:
        stream = container.streams.subtitles[0]
        assert stream.codec_context.codec.canonical_name == kind and stream.language == 'deu'
    found = texts_of(report.path)
    assert [found[:2] for found in found] == TIMES
    assert [text for _, _, text in found[:2]] == [line.encode() for line in LINES[:2]]
    assert b'third' in found[2][2] and b'line' in found[2][2]

    back = derain_video(unchanged_derainer(), report.path, tmp_path / 'back.mkv')
    assert len(back.notes) == (kind == 'mov_text')  # Matroska files can hold webvtt
    assert texts_of(back.path)[:2] == texts_of(source)[:2] and [found[:2] for found in texts_of(back.path)] == TIMES


def test_texts_after_the_end_are_left_out(tmp_path):
    """The first 10 of 25 frames are used."""
    source = write_subtitles(tmp_path / 'a.mp4', 'mov_text', [mov_text(line) for line in LINES])
    report = derain_video(unchanged_derainer(), source, tmp_path / 'o.mkv', limit=10)
    assert texts_of(report.path) == [(Fraction(1, 10), Fraction(1, 5), b'first')]
    assert packets_of(report.path, 'subtitle') == [(Fraction(1, 10), b'first')]


def test_damaged_texts_are_left_out(tmp_path):
    source = write_subtitles(tmp_path / 'a.mp4', 'mov_text', [mov_text('one'), b'\xff\xff', mov_text('three')])
    report = derain_video(unchanged_derainer(), source, tmp_path / 'o.mkv')
    assert [text for _, _, text in texts_of(report.path)] == [b'one', b'three']
