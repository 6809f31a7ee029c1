"""Deraining of videos: nothing of the source is lost."""

import sys
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from video_files import Recipe, change, decoded, make_video, packets_of, planes_of, times_of, unchanged_derainer

from mmderain.apis import derain_video
from mmderain.errors import InputError
from mmderain.io.video import VideoOptions
from mmderain.io.video.join import decoding_times
from mmderain.io.video.tensors import PendingImages, images_to_tensor

ENCODERS = {'h264': 'libx264', 'hevc': 'libx265', 'av1': 'libsvtav1', 'vp9': 'libvpx-vp9'}
#: Switches off the log of x265, which would appear in the output of the tests.
QUIET = {'x265-params': 'log-level=error'}


@pytest.fixture(scope='module')
def unchanged():
    return unchanged_derainer()


def opened(path):
    """Return properties of the stream, and the first frame of a video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        names = ('codec', 'codec_tag', 'profile', 'time_base', 'average_rate', 'sample_aspect_ratio')
        return SimpleNamespace(**{name: getattr(stream, name) for name in names}), next(container.decode(stream))


@pytest.mark.parametrize(
    'name, codec, pix_fmt',
    [('a.mp4', 'libx264', 'yuv420p'), ('a.mp4', 'libx265', 'yuv420p'), ('a.mkv', 'libsvtav1', 'yuv420p')]
    + [('a.webm', 'libvpx-vp9', 'yuv420p'), ('a.avi', 'mjpeg', 'yuvj422p'), ('a.avi', 'mpeg4', 'yuv420p')]
    + [('a.avi', 'libx264', 'yuv420p'), ('a.mpg', 'mpeg2video', 'yuv420p'), ('a.ts', 'libx264', 'yuv420p')]
    + [('a.wmv', 'wmv2', 'yuv420p'), ('a.flv', 'flv', 'yuv420p'), ('a.3gp', 'libx264', 'yuv420p')]
    + [('a.m2ts', 'libx264', 'yuv420p'), ('a.mov', 'prores_ks', 'yuv422p10le'), ('a.mkv', 'ffv1', 'bgr0')]
    + [('a.h264', 'libx264', 'yuv420p'), ('a.mkv', 'libx264', 'yuv444p'), ('gray.mkv', 'ffv1', 'gray')],
)
def test_videos_of_many_formats_become_h264(unchanged, tmp_path, name, codec, pix_fmt):
    source = make_video(tmp_path / name, codec=codec, pix_fmt=pix_fmt, options=QUIET)
    report = derain_video(unchanged, source, tmp_path / 'o.mp4', options=VideoOptions(crf=10, bit_depth=8))
    stream, frame = opened(report.path)
    assert (stream.codec.name, frame.format.name.replace('yuvj', 'yuv'), stream.profile) == ('h264', 'yuv420p', 'High')
    assert (frame.width, frame.height, stream.average_rate) == (64, 48, 25)
    assert report.frames == 8 and report.notes == () and not report.audio
    steps = np.diff([float(time) for time in times_of(report.path)])
    assert len(steps) == 7 and np.allclose(steps, 0.04, atol=1e-6)
    assert change(source, report.path) < 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, 'o.mp4'])


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.mov', '.webm'])
@pytest.mark.parametrize('codec', ENCODERS)
def test_each_codec_is_written_to_each_container(unchanged, tmp_path, codec, suffix):
    times = [0, 1, 5, 6, 20, 21, 22, 50]  # a variable frame rate
    source = make_video(tmp_path / 'a.mp4', times=times, time_base=Fraction(1, 100))
    target, options = tmp_path / f'o{suffix}', VideoOptions(codec=codec)
    if (suffix == '.mov' and codec in ('av1', 'vp9')) or (suffix == '.webm' and codec in ('h264', 'hevc')):
        with pytest.raises(InputError, match=rf'o{suffix}: {suffix} files cannot hold {codec}; use --codec'):
            derain_video(unchanged, source, target, options=options)
        assert [path.name for path in tmp_path.iterdir()] == ['a.mp4']
        return
    derain_video(unchanged, source, target, options=options)
    stream, _ = opened(target)
    assert stream.codec.canonical_name == codec
    assert times_of(target) == times_of(source) == [Fraction(time, 100) for time in times]
    assert change(source, target) < 4
    if codec == 'hevc' and suffix in ('.mp4', '.mov'):
        assert stream.codec_tag == 'hvc1'  # players of Apple require it


@pytest.mark.parametrize('rate', [Fraction(30000, 1001), Fraction(25, 2), 50])
def test_the_time_base_is_kept(unchanged, tmp_path, rate):
    source = make_video(tmp_path / 'a.mp4', rate=rate)
    derain_video(unchanged, source, tmp_path / 'o.mp4')
    assert times_of(tmp_path / 'o.mp4') == times_of(source) == [n / Fraction(rate) for n in range(8)]
    assert opened(tmp_path / 'o.mp4')[0].time_base == opened(source)[0].time_base


@pytest.mark.parametrize('rotation', [0, 90, 180, 270])
@pytest.mark.parametrize('mirrored', [False, True])
def test_rotated_videos_become_upright_videos(unchanged, tmp_path, rotation, mirrored):
    """The frames are stored upright, without a rotation, so that every player shows them correctly."""
    recipe = Recipe(rotation=rotation, mirrored=mirrored, frames=2, ratio=Fraction(4, 3), options={'crf': '4'})
    source = make_video(tmp_path / 'a.mp4', recipe)
    derain_video(unchanged, source, tmp_path / 'o.mp4', options=VideoOptions(crf=4))
    stream, frame = opened(tmp_path / 'o.mp4')
    assert frame.rotation == 0 and frame.side_data.get('DISPLAYMATRIX') is None
    expected = np.rot90(decoded(source)[0], rotation // 90)
    expected = expected[:, ::-1] if mirrored else expected
    assert np.abs(decoded(tmp_path / 'o.mp4')[0].astype(int) - expected).mean() < 5
    assert stream.sample_aspect_ratio == (Fraction(3, 4) if rotation in (90, 270) else Fraction(4, 3))


@pytest.mark.parametrize('full_range', [False, True])
@pytest.mark.parametrize('matrix', [1, 5, 9])
def test_colors_keep_range_and_matrix(unchanged, tmp_path, matrix, full_range):
    recipe = Recipe(full_range=full_range, matrix=matrix, options={'crf': '1'}, frames=1)
    source = make_video(tmp_path / 'a.mp4', recipe)
    derain_video(unchanged, source, tmp_path / 'o.mp4', options=VideoOptions(crf=1))
    before, after = (opened(path)[1] for path in (source, tmp_path / 'o.mp4'))
    assert (after.colorspace, after.color_range) == (matrix, 2 if full_range else 1)
    for old, new in zip(planes_of(before), planes_of(after), strict=True):
        difference = new - old
        assert abs(difference.mean()) < 0.6 and np.abs(difference).mean() < 0.8


@pytest.mark.parametrize('codec', ['hevc', 'av1'])
def test_ten_bits_are_kept(unchanged, tmp_path, codec):
    source = make_video(tmp_path / 'a.mp4', codec='libx265', pix_fmt='yuv420p10le', options=QUIET)
    derain_video(unchanged, source, tmp_path / 'o.mp4', options=VideoOptions(codec=codec, crf=5, temporal=0))
    _, frame = opened(tmp_path / 'o.mp4')
    assert frame.format.name == 'yuv420p10le'
    luma = planes_of(frame)[0]
    assert len(np.unique(luma)) > 256 and (luma % 4 != 0).mean() > 0.6  # not 8-bit values times 4
    assert change(source, tmp_path / 'o.mp4') < 2.5


def test_codecs_without_ten_bits_are_refused(unchanged, tmp_path):
    source = make_video(tmp_path / 'a.mp4', codec='libx265', pix_fmt='yuv420p10le', options=QUIET)
    advice = '; use --codec hevc or --codec av1 to keep 10 bits, or --bit-depth 8'
    for codec, reason in (
        ('h264', 'Most players cannot play h264 with 10 bits'),
        ('vp9', 'libvpx-vp9 encodes 8 bits only'),
    ):
        with pytest.raises(InputError) as caught:
            derain_video(unchanged, source, tmp_path / 'o.mp4', options=VideoOptions(codec=codec))
        assert str(caught.value) == f'{source}: has 10 bits per value. {reason}{advice}'
    with pytest.raises(InputError, match='but yuv444p has 8; .*reduce the bits with --bit-depth 8'):
        derain_video(unchanged, source, tmp_path / 'o.mp4', options=VideoOptions(codec='hevc', pix_fmt='yuv444p'))
    derain_video(unchanged, source, tmp_path / 'o.mp4', options=VideoOptions(bit_depth=8))
    assert opened(tmp_path / 'o.mp4')[1].format.name == 'yuv420p'


@pytest.mark.parametrize('codec', ENCODERS)
def test_odd_sizes(unchanged, tmp_path, codec):
    source = make_video(tmp_path / 'a.webm', codec='libvpx-vp9', size=(65, 49), options={'crf': '4', 'b': '0'})
    report = derain_video(unchanged, source, tmp_path / 'o.mp4', options=VideoOptions(codec=codec, crf=4))
    _, frame = opened(report.path)
    if codec in ('av1', 'vp9'):
        assert (frame.width, frame.height) == (65, 49) and report.notes == ()
        return
    assert (frame.width, frame.height) == (66, 50)
    text = f'{source}: 65x49 becomes 66x50, because {codec} needs even sizes; the last row or column is repeated'
    assert report.notes == (text,)
    image = decoded(report.path)[0].astype(int)
    assert np.abs(image[:, 64] - image[:, 65]).mean() < 3 and np.abs(image[48] - image[49]).mean() < 3
    assert np.abs(image[:49, :65] - decoded(source)[0]).mean() < 7
    report = derain_video(unchanged, source, tmp_path / 'c.mp4', options=VideoOptions(codec=codec, odd='crop'))
    assert decoded(report.path)[0].shape == (48, 64, 3) and 'becomes 64x48' in report.notes[0]
    report = derain_video(unchanged, source, tmp_path / 'k.mp4', options=VideoOptions(codec=codec, pix_fmt='yuv444p'))
    assert decoded(report.path)[0].shape == (49, 65, 3)
    assert report.notes == (f'{source}: the result is yuv444p, which some players cannot play',)


def test_wrong_targets_and_formats_are_refused(unchanged, tmp_path):
    source = make_video(tmp_path / 'a.mp4')
    with pytest.raises(InputError, match=r'o.avi: expected a name that ends in .mp4, .m4v, .mov, .mkv, .webm'):
        derain_video(unchanged, source, tmp_path / 'o.avi')
    with pytest.raises(InputError, match='a.mp4: the result would overwrite the video itself'):
        derain_video(unchanged, source, tmp_path / '../' / tmp_path.name / 'a.mp4')
    with pytest.raises(InputError, match="pix_fmt: libx264 cannot encode 'rgb565le'; it encodes gray, "):
        derain_video(unchanged, source, tmp_path / 'o.mp4', options=VideoOptions(pix_fmt='rgb565le'))
    assert [path.name for path in tmp_path.iterdir()] == ['a.mp4']


def test_decoding_times_increase_and_are_not_later_than_the_frames():
    assert decoding_times([0, 1, 2], 1) == [0, 1, 2]
    assert decoding_times([0, 4, 2, 1, 3], 1) == [-2, -1, 0, 1, 2]
    assert decoding_times([0, 40, 20, 10, 30, 50, 90, 70], 10) == [-20, -10, 0, 10, 20, 30, 40, 50]


def test_frames_become_the_same_tensors_as_images():
    """The lookup table and the conversions of OpenCV give the values of the plain formulas."""
    image = np.arange(256 * 3, dtype=np.uint16).reshape(-1, 8, 3).astype(np.uint8)
    (tensor,) = images_to_tensor([image], torch.device('cpu'))
    assert torch.equal(tensor, torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32)) / 255)
    (back,) = PendingImages(tensor[None], np.uint8).wait()
    assert np.array_equal(back, image)
    halves = (torch.arange(255 * 12).reshape(1, 3, 4, 255) % 255 + 0.5) / 255
    expected = halves.mul(255).round().byte()[0].permute(1, 2, 0).numpy()
    assert np.array_equal(PendingImages(halves, np.uint8).wait()[0], expected)
    deep = np.arange(65536, dtype=np.uint16)[: 256 * 256 // 3 * 3].reshape(-1, 5, 3)
    (tensor,) = images_to_tensor([deep], torch.device('cpu'))
    assert torch.equal(tensor, torch.from_numpy(deep.transpose(2, 0, 1).astype(np.float32)) / 65535)
    assert np.array_equal(PendingImages(tensor[None], np.uint16).wait()[0], deep)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_a_gpu_gives_the_same_tensors_and_images_as_the_cpu(dtype):
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (40, 50, 3), dtype)
    tensors = [images_to_tensor([image, image[::-1]], torch.device(device)) for device in ('cpu', 'cuda')]
    assert torch.equal(tensors[0], tensors[1].cpu())
    assert np.array_equal(PendingImages(tensors[1], dtype).wait()[0], image)


def test_batches_and_limits_do_not_change_the_frames(unchanged, tmp_path):
    source = make_video(tmp_path / 'a.mp4', Recipe(frames=11))
    derain_video(unchanged, source, tmp_path / 'one.mp4')
    report = derain_video(unchanged, source, tmp_path / 'four.mp4', batch_size=4)
    assert report.frames == 11
    assert all(np.array_equal(*pair) for pair in zip(decoded(tmp_path / 'one.mp4'), decoded(report.path), strict=True))
    report = derain_video(unchanged, source, tmp_path / 'limit.mp4', limit=5)
    assert report.frames == 5 and times_of(report.path) == times_of(source)[:5]
    assert packets_of(report.path)[-1][0] == Fraction(4, 25)


def test_without_pyav_opencv_writes_the_video(unchanged, tmp_path, monkeypatch):
    source = make_video(tmp_path / 'a.mp4')
    monkeypatch.setitem(sys.modules, 'av', None)
    report = derain_video(unchanged, source, tmp_path / 'o.mp4', options=VideoOptions(measure_flicker=True))
    assert report.frames == 8 and report.flicker[1] < 0.95 * report.flicker[0]  # earlier frames are used
    options = VideoOptions(measure_flicker=True, temporal=0)
    report = derain_video(unchanged, source, tmp_path / 'o.mp4', options=options)
    assert report.frames == 8 and report.flicker[1] == pytest.approx(report.flicker[0], rel=0.01)
    (note,) = report.notes
    assert note.startswith(
        f'{tmp_path / "o.mp4"}: written by OpenCV as MPEG-4 Part 2, which browsers may not play; run'
    )
    for options, names in (
        (VideoOptions(codec='vp9'), 'codec'),
        (VideoOptions(crf=5, audio='none'), 'crf, audio'),
    ):
        with pytest.raises(InputError) as caught:
            derain_video(unchanged, source, tmp_path / 'p.mp4', options=options)
        assert str(caught.value) == f'{names}: such video options need PyAV; run pip install "mmderain[video]"'
    with pytest.raises(InputError, match='o.mkv: expected a name that ends in .mp4'):
        derain_video(unchanged, source, tmp_path / 'o.mkv')
    monkeypatch.undo()
    assert opened(report.path)[0].codec.name == 'mpeg4'
