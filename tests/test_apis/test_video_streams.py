"""Sound, subtitles, chapters, metadata, and damaged files."""

from fractions import Fraction

import av
import numpy as np
import pytest
from video_files import Recipe, decoded, make_video, packets_of, times_of, unchanged_derainer

from mmderain.apis import derain_video
from mmderain.errors import InputError
from mmderain.io.video import VideoOptions


@pytest.fixture(scope='module')
def unchanged():
    return unchanged_derainer()


@pytest.mark.parametrize(
    'name, codec, audio, target',
    [('a.mp4', 'libx264', 'aac', 'o.mp4'), ('a.mp4', 'libx264', 'aac', 'o.mkv'), ('a.mkv', 'libx264', 'flac', 'o.mp4')]
    + [('a.mkv', 'libx264', 'libopus', 'o.mp4'), ('a.mkv', 'libx264', 'libmp3lame', 'o.mp4')]
    + [('a.ts', 'libx264', 'ac3', 'o.mp4'), ('a.mpg', 'mpeg2video', 'mp2', 'o.mp4')]
    + [('a.avi', 'mpeg4', 'pcm_s16le', 'o.mkv'), ('a.avi', 'mpeg4', 'libmp3lame', 'o.mp4')],
)
def test_the_packets_of_the_sound_are_copied(unchanged, tmp_path, name, codec, audio, target):
    source = make_video(tmp_path / name, codec=codec, audio=audio, frames=25)
    report = derain_video(unchanged, source, tmp_path / target)
    assert report.audio and report.notes == ()
    before, after = packets_of(source, 'audio'), packets_of(report.path, 'audio')
    assert [content for _, content in after] == [content for _, content in before] and len(before) > 10
    shift = 0
    if name in ('a.ts', 'a.mpg'):  # their clocks start at any time; the result starts at 0
        shift = min(before[0][0], packets_of(source)[0][0])
    step = 0 if name in ('a.mp4', 'a.mkv') and target == 'o.mp4' else Fraction(1, 1000)  # the times are rounded to this
    assert all(abs(new - old + shift) <= step for (old, _), (new, _) in zip(before, after, strict=True))
    if name in ('a.mp4', 'a.mkv'):
        assert times_of(report.path) == times_of(source)


def test_sound_that_the_container_cannot_hold_is_refused_or_encoded_again(unchanged, tmp_path):
    source = make_video(tmp_path / 'a.avi', codec='mpeg4', audio='pcm_s16le', frames=25)
    with pytest.raises(InputError) as caught:
        derain_video(unchanged, source, tmp_path / 'o.mp4')
    assert str(caught.value) == (
        f'{source}: its sound is pcm_s16le, which .mp4 files cannot hold; use --container mkv (in Python, a target '
        'that ends in .mkv), --audio transcode, or --audio none'
    )
    assert [path.name for path in tmp_path.iterdir()] == ['a.avi']
    for target, codec, audio in (('o.mp4', 'h264', 'aac'), ('o.webm', 'vp9', 'opus')):
        options = VideoOptions(codec=codec, audio='transcode')
        assert derain_video(unchanged, source, tmp_path / target, options=options).audio
        with av.open(str(tmp_path / target)) as container:
            stream = container.streams.audio[0]
            assert stream.codec.canonical_name == audio
            tone = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)])
        if tone.dtype == np.float32:
            tone = tone * 32768
        assert abs(len(tone) - 48000) < 3000  # one second
        assert abs(np.abs(tone[20_000:40_000]).max() - 9000) < 700
    assert not derain_video(unchanged, source, tmp_path / 'n.mp4', options=VideoOptions(audio='none')).audio


def test_a_limit_of_frames_also_limits_the_sound(unchanged, tmp_path):
    source = make_video(tmp_path / 'a.mp4', audio='aac', frames=25)
    report = derain_video(unchanged, source, tmp_path / 'o.mp4', limit=10)
    assert len(times_of(report.path)) == 10
    assert [t for t, _ in packets_of(report.path, 'audio')] == [
        t for t, _ in packets_of(source, 'audio') if t < Fraction(10, 25)
    ]


def test_chapters_metadata_and_languages_are_copied(unchanged, tmp_path):
    unit = Fraction(1, 1000)
    chapters = [
        dict(id=0, start=0, end=400, time_base=unit, metadata={'title': 'day'}),
        dict(id=1, start=400, end=1000, time_base=unit, metadata={'title': 'night'}),
    ]
    metadata = {'title': 'A street', 'comment': 'rain', 'com.example.lens': 'wide'}
    recipe = Recipe(audio='aac', frames=25, chapters=chapters, metadata=metadata)
    source = make_video(tmp_path / 'a.mkv', recipe)
    for target in ('o.mp4', 'o.mkv'):
        derain_video(unchanged, source, tmp_path / target)
        with av.open(str(tmp_path / target)) as container:
            found = [
                (
                    round(float(c['start'] * c['time_base']), 6),
                    round(float(c['end'] * c['time_base']), 6),
                    c['metadata'],
                )
                for c in container.chapters()
            ]
            assert [(start, stop, data['title']) for start, stop, data in found] == [(0, 0.4, 'day'), (0.4, 1, 'night')]
            copied = {key.lower(): value for key, value in container.metadata.items()}
            assert copied['title'] == 'A street' and copied['comment'] == 'rain'


@pytest.mark.parametrize('name, subtitle, kept', [('a.mp4', 'mov_text', 'o.mp4'), ('a.mkv', 'subrip', 'o.mkv')])
def test_subtitles_are_copied(unchanged, tmp_path, name, subtitle, kept):
    source = make_video(tmp_path / name, subtitle=subtitle)
    report = derain_video(unchanged, source, tmp_path / kept)
    assert report.notes == () and packets_of(report.path, 'subtitle') == packets_of(source, 'subtitle')


def test_images_of_text_are_copied_or_mentioned(unchanged, tmp_path):
    source = make_video(tmp_path / 'a.mkv', subtitle='hdmv_pgs_subtitle')
    report = derain_video(unchanged, source, tmp_path / 'o.mkv')
    assert report.notes == () and packets_of(report.path, 'subtitle') == packets_of(source, 'subtitle')
    report = derain_video(unchanged, source, tmp_path / 'o.mp4')
    assert report.notes == (
        f'{source}: its stream 1 (subtitle, hdmv_pgs_subtitle) is left out, because .mp4 files cannot hold it; '
        '--container mkv may keep it',
    )


@pytest.mark.parametrize('name, codec', [('a.mkv', 'libx264'), ('a.avi', 'mjpeg'), ('a.webm', 'libvpx-vp9')])
def test_an_incomplete_video_gives_a_result_and_an_error(unchanged, tmp_path, name, codec):
    """The last third of the file is missing."""
    pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
    source = make_video(tmp_path / name, codec=codec, pix_fmt=pix_fmt, frames=40, size=(160, 128), options={'g': '10'})
    complete = decoded(source)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(InputError) as caught:
        derain_video(unchanged, source, tmp_path / 'o.mp4')
    left = decoded(tmp_path / 'o.mp4')
    assert str(caught.value) == (
        f'{source}: {40 - len(left)} of 40 frames are missing or cannot be decoded; the file is incomplete or damaged. '
        f'The other {len(left)} frames are derained in {tmp_path / "o.mp4"}'
    )
    assert 15 <= len(left) <= 30
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(left, complete, strict=False)) < 8


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv'])
def test_a_hole_in_a_video_gives_a_result_and_an_error(unchanged, tmp_path, name):
    """A sixth of the file is overwritten by zeros. The frames before and after it are derained at their times."""
    source = make_video(tmp_path / name, frames=40, size=(160, 128), options={'g': '10'})
    times, content = times_of(source), source.read_bytes()
    middle, length = len(content) // 3, len(content) // 6
    source.write_bytes(content[:middle] + bytes(length) + content[middle + length :])
    with pytest.raises(InputError, match=r'(\d+) of 40 frames are missing or cannot be decoded') as caught:
        derain_video(unchanged, source, tmp_path / 'o.mp4')
    left = times_of(tmp_path / 'o.mp4')
    assert f'The other {len(left)} frames' in str(caught.value) and f': {40 - len(left)} of 40' in str(caught.value)
    assert 20 < len(left) < 40 and set(left) <= set(times) and left[-1] == times[-1]


def test_a_video_without_a_readable_frame_gives_no_result(unchanged, tmp_path):
    source = make_video(tmp_path / 'a.mkv')
    content = source.read_bytes()
    start = content.index(b'\x1f\x43\xb6\x75')  # the first cluster, which contains the frames
    source.write_bytes(content[: start + 12] + bytes(len(content) - start - 12))
    with pytest.raises(InputError, match='a.mkv: cannot be read as a video; it is damaged'):
        derain_video(unchanged, source, tmp_path / 'o.mp4')
    assert [path.name for path in tmp_path.iterdir()] == ['a.mkv']


def test_properties_that_are_not_kept_are_mentioned(unchanged, tmp_path):
    source = make_video(tmp_path / 'a.mkv', codec='ffv1', pix_fmt='bgra')
    report = derain_video(unchanged, source, tmp_path / 'o.mp4')
    assert report.notes == (f'{source}: its transparency is left out',)
    source = make_video(tmp_path / 'a.mpg', codec='mpeg2video', options={'flags': '+ildct+ilme'})
    report = derain_video(unchanged, source, tmp_path / 'o.mp4')
    assert report.notes == (f'{source}: is interlaced; the result contains both fields of each frame as one image',)
