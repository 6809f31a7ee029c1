"""Reading frames, and writing frames as a video."""

import shutil
import subprocess
import sys
import textwrap
from fractions import Fraction

import cv2
import numpy as np
import pytest
from conftest import smooth_image
from video_files import Recipe, decoded, images, make_video, packets_of

from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io.video import VideoOptions, opencv, read_frames, write_frames


def test_a_video_is_written_completely_or_not_at_all(tmp_path):
    frames = [smooth_image(48, 64, seed) for seed in range(5)]
    write_frames(iter(frames), tmp_path / 'new/a.mp4', 8)
    read, rate = read_frames(tmp_path / 'new/a.mp4')
    read = list(read)
    assert rate == 8 and len(read) == 5
    assert all(measure(a, b, 'PSNR-Y') > 33 for a, b in zip(read, frames, strict=True))

    def breaks():
        yield frames[0]
        raise RuntimeError('no more')

    with pytest.raises(RuntimeError):
        write_frames(breaks(), tmp_path / 'new/b.mp4', 8)
    for arguments, message in (
        ((frames, tmp_path / 'c.avi', 8), 'ends in .mp4'),
        (([], tmp_path / 'd.mp4', 8), 'no frames'),
        (([frames[0], frames[1][:40]], tmp_path / 'd.mp4', 8), 'd.mp4: frame 1 has 64x40 pixels; expected 64x48'),
    ):
        with pytest.raises(InputError, match=message):
            write_frames(*arguments)
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['a.mp4'] and not (tmp_path / 'd.mp4').exists()


def test_the_index_of_a_written_video_comes_before_its_frames(tmp_path):
    """With the index at the end, a browser would load the whole file before it shows the first frame."""
    write_frames([smooth_image(48, 64)], tmp_path / 'a.mp4', 8)
    content = (tmp_path / 'a.mp4').read_bytes()
    assert 0 < content.index(b'moov') < content.index(b'mdat')


def test_the_options_choose_codec_and_pixel_format(tmp_path):
    write_frames([smooth_image(48, 64)], tmp_path / 'a.mp4', 8, VideoOptions(codec='vp9', pix_fmt='yuv444p'))
    opened = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    assert int(opened.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little') == b'VP90'
    assert decoded(tmp_path / 'a.mp4', 'yuv444p')[0].shape == (3, 48, 64)


@pytest.mark.parametrize(
    'name, codec',
    [('a.avi', 'mpeg4'), ('a.mkv', 'libx264'), ('a.ts', 'libx264'), ('a.mpg', 'mpeg2video'), ('a.wmv', 'wmv2')]
    + [('a.flv', 'flv'), ('a.webm', 'libvpx-vp9'), ('a.mov', 'libx264'), ('a.3gp', 'libx264'), ('a.m2ts', 'libx264')]
    + [('a.h264', 'libx264'), ('a.MTS', 'libx264')],
)
def test_all_formats_give_the_same_frames_as_opencv(tmp_path, name, codec):
    path = make_video(tmp_path / name, codec=codec)
    frames, rate = read_frames(path)
    expected, _ = opencv.read_frames(path)
    pairs = list(zip(frames, expected, strict=True))
    assert rate == 25 and len(pairs) == 8
    assert all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize('rotation', [0, 90, 180, 270])
@pytest.mark.parametrize('mirrored', [False, True])
def test_rotated_videos_are_read_upright(tmp_path, rotation, mirrored):
    recipe = Recipe(rotation=rotation, mirrored=mirrored, frames=1)
    (frame,), _ = read_frames(make_video(tmp_path / 'a.mp4', recipe))
    expected = np.rot90(images(recipe)[0][..., ::-1], rotation // 90)
    expected = expected[:, ::-1] if mirrored else expected
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < 10  # other orientations differ by more than 60 levels


def test_the_same_frames_give_the_same_bytes(tmp_path):
    # x264 with AVX-512 wrote other bytes in about two of three runs for this width, which is no multiple of 128 pixels.
    rng, found = np.random.default_rng(0), set()
    scene = cv2.GaussianBlur(rng.integers(0, 256, (152, 280, 3), np.uint8), (0, 0), 3)
    frames = [scene[number : number + 112, 2 * number : 2 * number + 200] for number in range(40)]
    for _ in range(12):
        # Change the content of the memory that the encoder gets.
        _ = [np.full(size, rng.integers(256), np.uint8) for size in rng.integers(100, 200000, 30)]
        write_frames(iter(frames), tmp_path / 'a.mp4', 25)
        found.add((tmp_path / 'a.mp4').read_bytes())
    assert len(found) == 1


def test_an_incomplete_video_gives_an_error_after_its_last_frame(tmp_path):
    """The index comes before the frames. The last third of the file is missing."""
    write_frames((smooth_image(48, 64, seed) for seed in range(40)), tmp_path / 'a.mp4', 8)
    content = (tmp_path / 'a.mp4').read_bytes()
    (tmp_path / 'a.mp4').write_bytes(content[: len(content) * 2 // 3])
    frames, _ = read_frames(tmp_path / 'a.mp4')
    number = 0
    with pytest.raises(InputError) as caught:
        for _ in frames:
            number += 1
    assert 5 < number < 35
    assert f'a.mp4: {40 - number} of 40 frames are missing or cannot be decoded' in str(caught.value)


def test_frames_above_the_limit_are_refused(tmp_path):
    write_frames([smooth_image(48, 64)], tmp_path / 'a.mp4', 8)
    with pytest.raises(InputError, match='a.mp4: has 64x48 pixels, more than the limit of 3071'):
        read_frames(tmp_path / 'a.mp4', max_pixels=48 * 64 - 1)


def test_files_that_are_no_videos_are_refused(tmp_path):
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(InputError, match='text.mp4: cannot be read as a video; it is damaged, empty or of an unknown'):
        read_frames(tmp_path / 'text.mp4')
    with pytest.raises(FileNotFoundError, match='gone.mp4: no such video'):
        read_frames(tmp_path / 'gone.mp4')
    with pytest.raises(FileNotFoundError, match='is a folder; expected a video'):
        read_frames(tmp_path)
    playlist = tmp_path / 'list.m3u8'
    playlist.write_text('#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n')
    with pytest.raises(InputError, match='list.m3u8: cannot be read as a video'):
        read_frames(playlist)  # FFmpeg may not connect to the server


def test_a_full_disk_leaves_no_video(tmp_path):
    """A limit on the file size has the effect of a full disk."""
    program = f"""
        import resource
        import numpy as np
        from mmderain.io.video import write_frames
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
        noise = np.random.default_rng(0).integers(0, 256, (9, 48, 64, 3), np.uint8)
        write_frames(noise, {str(tmp_path / 'a.mp4')!r}, 8)
    """
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(program)], capture_output=True, text=True)
    assert done.returncode == 1 and 'a.mp4: cannot be written (File too large)' in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_video_cut_by_an_edit_list_is_complete(tmp_path):
    """ffmpeg cuts at a key frame, and hides the frames before the start with an edit list."""
    ffmpeg = shutil.which('ffmpeg')
    if ffmpeg is None:
        pytest.skip('needs ffmpeg, which writes edit lists')
    write_frames((smooth_image(48, 64, seed) for seed in range(60)), tmp_path / 'a.mp4', 10)
    command = [ffmpeg, '-ss', '1.0', '-i', tmp_path / 'a.mp4', '-c', 'copy', tmp_path / 'b.mp4']
    subprocess.run(command, check=True, capture_output=True)
    whole, trimmed = list(read_frames(tmp_path / 'a.mp4')[0]), list(read_frames(tmp_path / 'b.mp4')[0])
    assert len(trimmed) == 50 and all(np.array_equal(a, b) for a, b in zip(whole[10:], trimmed, strict=True))


def test_opencv_reads_and_writes_without_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    frames = [smooth_image(48, 64, seed) for seed in range(5)]
    write_frames(frames, tmp_path / 'a.mp4', 8)
    read, rate = read_frames(tmp_path / 'a.mp4')
    assert rate == pytest.approx(8) and all(measure(a, b, 'PSNR-Y') > 25 for a, b in zip(read, frames, strict=True))
    monkeypatch.undo()
    assert packets_of(tmp_path / 'a.mp4')[1][0] == Fraction(1, 8)
