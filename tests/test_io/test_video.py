import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import smooth_image

from mmderain.errors import InputError
from mmderain.evaluation import measure
from mmderain.io.video import read_frames, write_frames


def test_a_video_is_written_completely_or_not_at_all(tmp_path):
    frames = [smooth_image(48, 64, seed) for seed in range(5)]
    assert not write_frames(iter(frames), tmp_path / 'new/a.mp4', 8)  # no sound
    read, rate = read_frames(tmp_path / 'new/a.mp4')
    read = list(read)
    assert rate == pytest.approx(8) and len(read) == 5
    assert all(measure(a, b, 'PSNR-Y') > 25 for a, b in zip(read, frames, strict=True))

    def breaks():
        yield frames[0]
        raise RuntimeError('no more')

    with pytest.raises(RuntimeError):
        write_frames(breaks(), tmp_path / 'new/b.mp4', 8)
    for arguments, message in (
        ((frames, tmp_path / 'c.avi', 8), 'ends in .mp4'),
        (([], tmp_path / 'd.mp4', 8), 'no frames'),
    ):
        with pytest.raises(InputError, match=message):
            write_frames(*arguments)
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['a.mp4'] and not (tmp_path / 'd.mp4').exists()


def test_an_incomplete_video_gives_an_error_after_its_last_frame(tmp_path):
    """The index comes before the frames, as in videos for the web. The last third of the file is missing."""
    write_frames((smooth_image(48, 64, seed) for seed in range(40)), tmp_path / 'a.mp4', 8)
    content = (tmp_path / 'a.mp4').read_bytes()
    front = tmp_path / 'front.mp4'
    ffmpeg = shutil.which('ffmpeg')
    if ffmpeg is None:
        pytest.skip('needs ffmpeg, which moves the index to the front')
    command = [ffmpeg, '-i', tmp_path / 'a.mp4', '-c', 'copy', '-movflags', 'faststart', front]
    subprocess.run(command, check=True, capture_output=True)
    content = front.read_bytes()
    front.write_bytes(content[: len(content) * 2 // 3])
    frames, _ = read_frames(front)
    number = 0
    with pytest.raises(InputError, match=r'front.mp4: ends after (\d+) frames; expected at least 38.'):
        for _ in frames:
            number += 1
    assert 5 < number < 35


def test_frames_above_the_limit_are_refused(tmp_path):
    write_frames([smooth_image(48, 64)], tmp_path / 'a.mp4', 8)
    with pytest.raises(InputError, match='a.mp4: has 64x48 pixels, more than the limit of 3071'):
        read_frames(tmp_path / 'a.mp4', max_pixels=48 * 64 - 1)


def test_a_full_disk_leaves_no_video(tmp_path):
    """A limit on the file size has the effect of a full disk. OpenCV itself reports no error."""
    program = f"""
        import resource, sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from conftest import smooth_image
        from mmderain.io.video import write_frames
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
        write_frames((smooth_image(48, 64, seed) for seed in range(60)), {str(tmp_path / 'a.mp4')!r}, 8)
    """
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(program)], capture_output=True, text=True)
    assert done.returncode == 1 and 'frames could be written; is the disk full?' in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_video_cut_by_an_edit_list_is_complete(tmp_path):
    """ffmpeg cuts at a key frame, and hides the frames before the start with an edit list."""
    ffmpeg = shutil.which('ffmpeg')
    if ffmpeg is None:
        pytest.skip('needs ffmpeg, which writes edit lists')
    write_frames((smooth_image(48, 64, seed) for seed in range(60)), tmp_path / 'a.mp4', 10)
    command = [ffmpeg, '-ss', '1.0', '-i', tmp_path / 'a.mp4', '-c', 'copy', tmp_path / 'b.mp4']
    subprocess.run(command, check=True, capture_output=True)
    assert 40 < len(list(read_frames(tmp_path / 'b.mp4')[0])) <= 60
