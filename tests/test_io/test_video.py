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
