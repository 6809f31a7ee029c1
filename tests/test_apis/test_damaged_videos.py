"""Damaged videos, videos that change while they are read, and videos with unusual sizes or times."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from conftest import smooth_image
from video_files import Recipe, decoded, images, make_video, times_of, unchanged_derainer

from mmderain.apis import derain_video
from mmderain.errors import InputError
from mmderain.io.video import VideoOptions
from mmderain.io.video.encoder import choose_encoding
from mmderain.io.video.reader import FrameReader
from mmderain.io.video.scan import scan_video
from mmderain.io.video.sequence import list_sequence
from mmderain.io.video.tensors import images_to_tensor


@pytest.fixture(scope='module')
def unchanged():
    return unchanged_derainer()


def test_a_video_that_is_shortened_after_the_scan_is_incomplete(tmp_path):
    source = make_video(tmp_path / 'a.mpg', codec='mpeg2video', frames=40, options={'g': '5'})
    info = scan_video(source)
    assert info.announced == 40
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    reader = FrameReader(info)
    frames = sum(1 for _ in reader)
    assert 5 < frames < 35 and reader.damaged >= 40 - frames - 1
    assert info.missing_frames(frames, reader.damaged) == 40 - frames


def test_frames_of_another_size_become_as_large_as_the_first_frame(unchanged, tmp_path):
    options = {'bf': '0', 'crf': '5'}
    parts = [make_video(tmp_path / f'{w}.h264', size=(w, h), options=options) for w, h in ((160, 128), (96, 64))]
    (tmp_path / 'a.h264').write_bytes(b''.join(part.read_bytes() for part in parts))
    found = [frame.image for frame in FrameReader(scan_video(tmp_path / 'a.h264'))]
    assert [image.shape for image in found] == [(128, 160, 3)] * 16
    small = images(Recipe(size=(96, 64)))
    for image, original in zip(found[8:], small, strict=True):
        assert np.abs(image[::2, ::2][:, :80].mean() - original.mean()) < 8
        assert np.abs(image[-8:].mean() - original[-4:].mean()) < 8  # the last rows contain the last rows
    report = derain_video(unchanged, tmp_path / 'a.h264', tmp_path / 'o.mp4', batch_size=3)
    assert report.frames == 16 and [image.shape for image in decoded(report.path)] == [(128, 160, 3)] * 16


def test_unequal_sizes_are_refused(tmp_path):
    pair = smooth_image(48, 64), smooth_image(40, 64)
    with pytest.raises(InputError) as caught:
        images_to_tensor(pair, torch.device('cpu'))
    assert str(caught.value) == 'a frame has 64x40 pixels; expected 64x48 as in the first frame of its batch'
    source = make_video(tmp_path / 'a.mp4')
    encoding = choose_encoding(scan_video(source), VideoOptions())
    assert encoding.fit(smooth_image(47, 63)).shape == encoding.fit(smooth_image(49, 65)).shape == (48, 64, 3)
    with pytest.raises(InputError) as caught:
        encoding.fit(pair[1])
    assert str(caught.value) == f'{source}: a frame has 64x40 pixels; expected 64x48 as in the first frame'


@pytest.mark.parametrize('batch_size', [1, 8])
@pytest.mark.parametrize('limit', [None, 30])
def test_the_readable_frames_of_an_incomplete_video_become_images(unchanged, tmp_path, batch_size, limit):
    source = make_video(tmp_path / 'a.mkv', frames=40, options={'g': '10'})
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 6 // 10])
    info = scan_video(source)
    readable = sum(1 for _ in FrameReader(info))
    assert 10 < readable < 30 and 39 <= info.announced <= 40  # the duration in the header is rounded
    missing = (limit or info.announced) - readable
    with pytest.raises(InputError) as caught:
        derain_video(unchanged, source, tmp_path / 'out/%d.png', batch_size, limit)
    assert str(caught.value) == (
        f'{source}: {missing} of {readable + missing} frames are missing or cannot be decoded; the file is incomplete '
        f'or damaged. The other {readable} frames are derained in {tmp_path / "out/%d.png"}'
    )
    assert list(list_sequence(tmp_path / 'out/%d.png')) == list(range(readable))


def test_the_flicker_of_images_is_not_measured(unchanged, tmp_path):
    source, options = make_video(tmp_path / 'a.mp4'), VideoOptions(measure_flicker=True)
    with pytest.raises(InputError, match='measure_flicker: the flicker of sequences of images cannot be measured'):
        derain_video(unchanged, source, tmp_path / '%d.png', options=options)


def test_a_repeated_time_does_not_move_the_frames_after_it(unchanged, tmp_path):
    source = tmp_path / 'a.mkv'
    with av.open(str(source), 'w') as container:
        stream = container.add_stream('ffv1', rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for number, time in enumerate([0, 40, 40, 50, 60]):
            frame = av.VideoFrame.from_ndarray(smooth_image(48, 64, number), format='rgb24')
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = scan_video(source)
    assert info.times == (0, 40, 40, 50, 60)
    assert [frame.time for frame in FrameReader(info)] == [0, 40, 41, 50, 60]
    report = derain_video(unchanged, source, tmp_path / 'o.mp4')
    assert times_of(report.path) == [Fraction(time, 1000) for time in (0, 40, 41, 50, 60)]
