"""Read live sources, such as cameras, and serve frames to browsers."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np

from mmderain.errors import InputError

from .simple import has_pyav, read_frames

#: Seconds after which a source that sends nothing counts as disconnected.
TIMEOUT = 10.0
_PAGE = b'<!doctype html><title>mmderain</title><img src="/stream.mjpg" alt="derained video" style="max-width:100%">'
_BOUNDARY = 'frame'


def live_frames(source: str | int | Path) -> Generator[np.ndarray]:
    """Yield the frames of a camera, a stream or a file, as fast as they come.

    Args:
        source: number of a camera, an address that begins with ``http://``, ``https://`` or ``rtsp://``, or a path.

    Returns:
        Frames, BGR uint8 (H, W, 3).

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: the source cannot be opened, sends no frame, or sends nothing for :data:`TIMEOUT` seconds. Also
            raised if an address is given, but PyAV is not installed.
    """
    name = str(source)
    if name.isdecimal():
        yield from _camera_frames(int(name))
    elif '://' in name:
        yield from _stream_frames(name)
    else:
        yield from read_frames(name)[0]  # upright


def _stream_frames(address: str) -> Iterator[np.ndarray]:
    if not has_pyav():
        raise InputError(f'{address}: reading a stream needs PyAV; run pip install "mmderain[video]"')
    import av

    from .info import ffmpeg_reason

    number = 0
    try:
        # A stream may not make FFmpeg read local files.
        options = {'protocol_whitelist': 'http,https,tcp,tls,rtp,udp,rtsp,rtsps'}
        with av.open(address, timeout=TIMEOUT, options=options, metadata_errors='replace') as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format='bgr24')
                number += 1
    except (av.error.FFmpegError, OSError, IndexError) as error:
        problem = f'the connection was lost after {number} frames' if number else 'cannot be read as a live video'
        raise InputError(f'{address}: {problem} ({ffmpeg_reason(error)})') from error
    if not number:
        raise InputError(f'{address}: the camera sent no frame')


def _camera_frames(camera: int) -> Iterator[np.ndarray]:
    capture, number = cv2.VideoCapture(camera), 0
    try:
        if not capture.isOpened():
            raise InputError(f'{camera}: no camera has this number, or another program uses it')
        while True:
            done, frame = capture.read()
            if not done:
                break
            yield frame
            number += 1
    finally:
        capture.release()
    problem = f'the connection was lost after {number} frames' if number else 'the camera sent no frame'
    raise InputError(f'{camera}: {problem}')


class Latest:
    """The newest of the items that another thread produces. Older items are dropped.

    The ``with`` block starts and ends the thread. At its end, it waits until the current item is produced, but at most
    :data:`TIMEOUT` seconds and one more.

    Args:
        items: the items. They are produced in the other thread, which also closes the generator.
    """

    def __init__(self, items: Generator) -> None:
        self._items = items
        self._changed = threading.Condition()
        self._newest: object = None
        self._number = 0
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._produce, name='mmderain-live', daemon=True)

    def __enter__(self) -> 'Latest':
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        with self._changed:
            self._ended = True
        self._thread.join(TIMEOUT + 1)

    def _produce(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    if self._ended:
                        break
                    self._newest, self._number = item, self._number + 1
                    self._changed.notify_all()
        except Exception as error:  # raised again in the thread that uses the items
            self._error = error
        finally:
            self._items.close()  # another thread could not close it while it runs
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def __iter__(self) -> Iterator:
        """Yield the newest item each time, until there are no more items."""
        seen = 0
        while True:
            with self._changed:
                while self._number == seen and not self._ended:
                    self._changed.wait()
                if self._number == seen:
                    break
                item, seen = self._newest, self._number
            yield item
        if self._error is not None:
            raise self._error


class MjpegServer:
    """Serve frames as MJPEG to the browsers of this machine.

    A browser that is too slow misses frames. The address ``/`` shows a page with the video; ``/stream.mjpg`` is the
    video.

    Args:
        port: port on 127.0.0.1. 0 chooses a free port.
    """

    def __init__(self, port: int = 0) -> None:
        self._changed = threading.Condition()
        self._jpeg = b''
        self._number = 0
        self._closed = False
        try:
            self._server = ThreadingHTTPServer(('127.0.0.1', port), self._handler())
        except OSError as error:
            raise InputError(f'port {port}: cannot be used ({error.strerror}); choose another --port') from error
        self._server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self._server.server_port}/'

    def show(self, image: np.ndarray) -> None:
        """Send a frame, BGR uint8 (H, W, 3), to all browsers."""
        done, content = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 90])
        assert done, 'OpenCV encodes each BGR uint8 array as JPEG'
        with self._changed:
            self._jpeg, self._number = content.tobytes(), self._number + 1
            self._changed.notify_all()

    @contextmanager
    def running(self) -> Iterator['MjpegServer']:
        """Serve until the ``with`` block ends."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={'poll_interval': 0.1}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _jpegs(self) -> Iterator[bytes]:
        seen = 0
        while True:
            with self._changed:
                while self._number == seen and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                content, seen = self._jpeg, self._number
            yield content

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    self._answer()
                except OSError:  # the browser has closed the page
                    pass

            def _answer(self) -> None:
                if self.path == '/':
                    self._send('text/html; charset=utf-8', _PAGE)
                elif self.path == '/stream.mjpg':
                    self._send(f'multipart/x-mixed-replace; boundary={_BOUNDARY}')
                    for content in server._jpegs():
                        head = f'--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n'
                        self.wfile.write(head.encode() + content + b'\r\n')
                else:
                    self.send_error(404)

            def _send(self, kind: str, content: bytes = b'') -> None:
                self.send_response(200)
                self.send_header('Content-Type', kind)
                self.send_header('Cache-Control', 'no-store')
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *details: object) -> None:
                """Print nothing for a request."""

        return Handler
