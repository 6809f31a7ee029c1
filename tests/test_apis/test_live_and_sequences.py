"""Numbered images instead of videos, and live sources."""

import threading
import time
import urllib.request
from fractions import Fraction

import cv2
import mmcv
import numpy as np
import pytest
from conftest import free_port, smooth_image
from video_files import decoded, make_video, times_of, unchanged_derainer

from mmderain.apis import derain_video, serve_live, stream_video
from mmderain.errors import InputError
from mmderain.io import read_frames
from mmderain.io.video import VideoOptions
from mmderain.io.video.live import Latest, MjpegServer, live_frames


@pytest.fixture(scope='module')
def unchanged():
    return unchanged_derainer()


@pytest.fixture
def frames(tmp_path):
    """Write six images with the numbers 8 to 13, and return them."""
    images = {number: smooth_image(48, 64, number) for number in range(8, 14)}
    for number, image in images.items():
        mmcv.imwrite(image, str(tmp_path / f'in/{number:03}.png'))
    mmcv.imwrite(images[8], str(tmp_path / 'in/0008.png'))  # has four digits
    return images


def test_numbered_images_become_images_with_the_same_numbers(unchanged, tmp_path, frames):
    patterns, options = (tmp_path / 'in/%03d.png', tmp_path / 'out/a%d.png'), VideoOptions(temporal=0)
    report = derain_video(unchanged, *patterns, batch_size=4, options=options)
    assert report.frames == 6
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == sorted(f'a{n}.png' for n in range(8, 14))
    for number, image in frames.items():
        assert np.array_equal(mmcv.imread(str(tmp_path / f'out/a{number}.png')), image)


def test_numbered_images_become_a_video(unchanged, tmp_path, frames):
    options = VideoOptions(rate=12.5, crf=5)
    report = derain_video(unchanged, tmp_path / 'in/%03d.png', tmp_path / 'o.mkv', options=options)
    assert report.frames == 6 and times_of(report.path) == [Fraction(80 * n, 1000) for n in range(6)]
    result = read_frames(report.path)[0]
    assert all(np.abs(a.astype(int) - b).mean() < 12 for a, b in zip(result, frames.values(), strict=True))


def test_a_video_becomes_numbered_images(unchanged, tmp_path):
    source = make_video(tmp_path / 'a.mp4')
    report = derain_video(unchanged, source, tmp_path / 'out/%05d.png', limit=5)
    assert report.frames == 5 and sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        f'{number:05}.png' for number in range(5)
    ]
    images = [mmcv.imread(str(tmp_path / f'out/{number:05}.png'))[..., ::-1] for number in range(5)]
    assert all(np.abs(a.astype(int) - b).mean() < 6 for a, b in zip(images, decoded(source)[:5], strict=True))


def test_ten_bit_videos_become_16_bit_images(unchanged, tmp_path):
    source = make_video(
        tmp_path / 'a.mp4', codec='libx265', pix_fmt='yuv420p10le', options={'x265-params': 'log-level=error'}
    )
    derain_video(unchanged, source, tmp_path / '%d.png', limit=1)
    image = cv2.imread(str(tmp_path / '0.png'), cv2.IMREAD_UNCHANGED)
    assert image.dtype == np.uint16 and len(np.unique(image)) > 400
    with pytest.raises(InputError, match='cannot hold 16 bits per value; use .png, or --bit-depth 8'):
        derain_video(unchanged, source, tmp_path / '%d.jpg', limit=1)
    derain_video(unchanged, source, tmp_path / '%d.jpg', limit=1, options=VideoOptions(bit_depth=8))
    assert cv2.imread(str(tmp_path / '0.jpg'), cv2.IMREAD_UNCHANGED).dtype == np.uint8


def test_wrong_sequences_are_refused(unchanged, tmp_path, frames):
    mmcv.imwrite(smooth_image(40, 64), str(tmp_path / 'in/014.png'))
    with pytest.raises(
        InputError, match=r'014.png: has 64x40 pixels of uint8; expected 64x48 pixels of uint8 as in .*008'
    ):
        derain_video(unchanged, tmp_path / 'in/%03d.png', tmp_path / 'o.mp4')
    assert not (tmp_path / 'o.mp4').exists()
    for source, target, text in (
        ('in/%05d.png', 'o.mp4', 'in/%05d.png: no file has such a name'),
        ('in/%03d.png', 'in/%03d.png', 'the results would overwrite the images'),
        ('in/%d%d.png', 'o.mp4', 'expected the name of an image with one number'),
    ):
        with pytest.raises(InputError, match=text):
            derain_video(unchanged, tmp_path / source, tmp_path / target)


def test_stream_video_yields_the_frames_of_a_file(unchanged, tmp_path):
    source = make_video(tmp_path / 'a.mp4')
    expected = list(read_frames(source)[0])
    result = list(stream_video(unchanged, source))
    assert len(result) == 8 and all(np.array_equal(*pair) for pair in zip(result, expected, strict=True))
    with pytest.raises(FileNotFoundError, match='gone.mp4: no such video'):
        next(stream_video(unchanged, tmp_path / 'gone.mp4'))
    rotated = make_video(tmp_path / 'r.mp4', rotation=90)
    upright, expected = next(stream_video(unchanged, rotated)), next(read_frames(rotated)[0])
    assert upright.shape == (64, 48, 3) and np.array_equal(upright, expected)


def test_frames_that_come_too_fast_are_dropped():
    produced = threading.Event()

    def items():
        yield from range(5)
        produced.set()

    seen = []
    with Latest(items()) as newest:
        assert produced.wait(10)
        seen = list(newest)
    assert seen == [4]

    def fails():
        yield 1
        raise RuntimeError('lost')

    with Latest(fails()) as newest, pytest.raises(RuntimeError, match='lost'):
        list(newest)


def test_a_live_source_is_derained_and_served(unchanged):
    """A server on this machine is the source. The derained frames are read from the second server."""
    image = smooth_image(48, 64)
    image[:] = cv2.GaussianBlur(image, (0, 0), 3)
    urls, errors, stop = [], [], threading.Event()
    with MjpegServer().running() as camera:

        def show():
            while not stop.is_set():
                camera.show(image)
                time.sleep(0.02)

        def derain():
            with pytest.raises(InputError, match='stream.mjpg: the connection was lost after') as caught:
                serve_live(unchanged, f'{camera.url}stream.mjpg', announce=urls.append)
            errors.append(caught.value)

        threads = [threading.Thread(target=target) for target in (show, derain)]
        for thread in threads:
            thread.start()
        while not urls:
            time.sleep(0.01)
        with urllib.request.urlopen(urls[0], timeout=20) as page:
            assert b'<img src="/stream.mjpg"' in page.read()
        with urllib.request.urlopen(f'{urls[0]}stream.mjpg', timeout=20) as response:
            assert response.headers['Content-Type'] == 'multipart/x-mixed-replace; boundary=frame'
            for _ in range(2):
                assert response.readline() == b'--frame\r\n' and response.readline() == b'Content-Type: image/jpeg\r\n'
                length = int(response.readline().split()[1])
                assert response.readline() == b'\r\n'
                content = response.read(length)
                assert response.readline() == b'\r\n'
        shown = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(shown.astype(int) - image).mean() < 4
        stop.set()
        threads[0].join()
    threads[1].join(20)
    assert len(errors) == 1


def test_a_camera_and_a_port_that_cannot_be_used_are_named():
    with pytest.raises(InputError, match='99: no camera has this number'):
        next(live_frames(99))
    port = free_port()
    with MjpegServer(port).running(), pytest.raises(InputError, match=rf'port {port}: cannot be used .Address already'):
        MjpegServer(port)
