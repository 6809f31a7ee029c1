"""Live sources that send nothing, are lost, or do not answer while the program stops."""

import socket
import threading
import urllib.request

import cv2
import numpy as np
import pytest
from conftest import smooth_image
from video_files import unchanged_derainer

from mmderain.apis import live, stream_video
from mmderain.errors import InputError
from mmderain.io.video import live as sources
from mmderain.io.video.live import Latest, MjpegServer, live_frames


def test_a_source_that_does_not_answer_is_closed_by_its_own_thread(monkeypatch):
    asked, release, closed = threading.Event(), threading.Event(), []

    def frames(source):
        try:
            yield smooth_image(48, 64)
            asked.set()
            assert release.wait(10)
            yield smooth_image(48, 64)
        finally:
            closed.append(threading.current_thread().name)

    monkeypatch.setattr(live, 'live_frames', frames)
    stream = stream_video(unchanged_derainer(), 0, drop=True)
    assert next(stream).shape == (48, 64, 3) and asked.wait(10)
    with pytest.raises(KeyboardInterrupt):
        threading.Timer(0.2, release.set).start()
        stream.throw(KeyboardInterrupt)
    assert closed == ['mmderain-live']


def test_an_ended_source_is_closed():
    closed = []

    def items():
        yield 1
        closed.append(threading.current_thread().name)

    with Latest(items()) as newest:
        assert list(newest) == [1]
    assert closed == ['mmderain-live']


class Camera:
    """Stands for cv2.VideoCapture: a camera that sends a number of frames."""

    frames = 0

    def __init__(self, number):
        self.left, self.is_open = self.frames, number == 0

    def isOpened(self):  # noqa: N802
        return self.is_open

    def read(self):
        self.left -= 1
        return (True, np.zeros((2, 2, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        self.is_open = False


@pytest.mark.parametrize(
    'frames, text', [(0, '0: the camera sent no frame'), (3, '0: the connection was lost after 3 frames')]
)
def test_a_lost_camera_is_an_error(monkeypatch, frames, text):
    monkeypatch.setattr(Camera, 'frames', frames)
    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    seen = []
    with pytest.raises(InputError) as caught:
        seen.extend(frame.shape for frame in live_frames(0))
    assert str(caught.value) == text
    with pytest.raises(InputError, match='7: no camera has this number, or another program uses it'):
        next(live_frames(7))


def test_addresses_need_pyav(monkeypatch):
    monkeypatch.setattr(sources, 'has_pyav', lambda: False)
    with pytest.raises(InputError) as caught:
        next(live_frames('rtsp://127.0.0.1/a'))
    assert str(caught.value) == ('rtsp://127.0.0.1/a: reading a stream needs PyAV; run pip install "mmderain[video]"')


def test_a_browser_that_leaves_early_prints_nothing(capfd):
    with MjpegServer().running() as server:
        address = server.url.removeprefix('http://').rstrip('/').split(':')
        for _ in range(20):
            with socket.create_connection((address[0], int(address[1]))) as browser:
                browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')  # resets the connection
                browser.sendall(b'GET / HTTP/1.1\r\n\r\n')
        with urllib.request.urlopen(server.url, timeout=20) as page:
            assert page.status == 200
    assert capfd.readouterr().err == ''
