"""MPEG and WMV files whose end is missing."""

import pytest
from video_files import Recipe, make_video, unchanged_derainer

from mmderain.apis import derain_video
from mmderain.errors import InputError
from mmderain.io import read_frames
from mmderain.io.video.endings import asf_seconds, has_incomplete_packet
from mmderain.io.video.scan import scan_video


def video(path, **changes):
    """Write a video of four seconds."""
    codec = {'.wmv': 'wmv2', '.ts': 'libx264', '.m2ts': 'libx264'}.get(path.suffix, 'mpeg2video')
    return make_video(path, Recipe(codec=codec, frames=100, options={'g': '10'}, **changes))


def missing(path):
    """Return the number of frames that the scan reports as missing."""
    info = scan_video(path)
    return info.announced - len(info.times)


@pytest.mark.parametrize(
    'name, audio, packet', [('a.ts', 'aac', 188), ('a.m2ts', None, 192), ('a.mpg', 'mp2', 2048), ('a.vob', None, 2048)]
)
def test_an_incomplete_last_packet_of_mpeg_files_is_found(tmp_path, name, audio, packet):
    source = video(tmp_path / name, audio=audio)
    data = source.read_bytes()
    assert missing(source) == 0
    end = len(data) * 6 // 10 // packet * packet
    for size in (end + 10, end + 16, end + 100, end - 1):  # in a header, and in the content of a packet
        source.write_bytes(data[:size])
        assert missing(source) == 1
    source.write_bytes(data[:end])  # cannot be told from a complete file
    assert missing(source) == 0 and 30 < len(scan_video(source).times) < 100


def test_the_missing_end_is_an_error_after_the_readable_frames(tmp_path):
    source = video(tmp_path / 'a.ts')
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(InputError, match='of 10. frames are missing or cannot be decoded; the file is incomplete'):
        derain_video(unchanged_derainer(), source, tmp_path / 'o.mp4')
    assert (tmp_path / 'o.mp4').exists()
    frames, _ = read_frames(source)
    with pytest.raises(InputError, match='a.ts: 1 of 10. frames are missing'):
        list(frames)


@pytest.mark.parametrize('part', [0.9, 0.6, 0.3])
def test_the_header_of_wmv_files_tells_the_number_of_missing_frames(tmp_path, part):
    """FFmpeg reports no duration of these files."""
    source = video(tmp_path / 'a.wmv')
    assert asf_seconds(source) == 4 and missing(source) == 0
    data = source.read_bytes()
    source.write_bytes(data[: int(part * len(data))])
    info = scan_video(source)
    assert 10 < len(info.times) < 95 and abs(info.announced - 100) <= 1


def test_files_that_were_sent_while_they_were_recorded_have_no_duration(tmp_path):
    source = video(tmp_path / 'a.wmv')
    data = bytearray(source.read_bytes())
    data[data.index(bytes.fromhex('a1dcab8c47a9cf118ee400c00c205365')) + 88] |= 1
    source.write_bytes(data)
    assert asf_seconds(source) is None
    source.write_bytes(data[: len(data) // 2])
    assert missing(source) == 0
    source.write_bytes(b'0&\xb2u\x8ef\xcf\x11')
    assert asf_seconds(source) is None


def test_other_files_have_no_packets(tmp_path):
    (tmp_path / 'a').write_bytes(b'G' * 5)
    for container in ('mpegts', 'mpeg', 'mov,mp4,m4a,3gp,3g2,mj2'):
        assert not has_incomplete_packet(tmp_path / 'a', container)
    (tmp_path / 'a').write_bytes(bytes(100) + b'\x00\x00\x01\xb9')  # a program stream with an end code
    assert not has_incomplete_packet(tmp_path / 'a', 'mpeg')
