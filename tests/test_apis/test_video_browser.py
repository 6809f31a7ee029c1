"""Result videos are played by a real browser."""

import functools
import http.server
import threading

import numpy as np
import pytest
from browser import chromium
from video_files import decoded, make_video, unchanged_derainer

from mmderain.apis import derain_video
from mmderain.io.video import VideoOptions

#: Loads a video, shows a frame, and returns the duration, the size and the pixels of the frame.
SCRIPT = """
const [address, time] = arguments, done = arguments[arguments.length - 1];
const video = document.createElement('video');
video.muted = true;
video.onerror = () => done({error: video.error.message});
const draw = () => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  const pixels = Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data);
  // A busy machine can report a seek before the frame is there. The canvas then stays black or transparent.
  if (pixels.every((value, index) => index % 4 == 3 || value == 0)) return setTimeout(draw, 50);
  done({duration: video.duration, size: [canvas.width, canvas.height], pixels: pixels});
};
video.onseeked = draw;
video.onloadeddata = () => { video.currentTime = time; };
// The test server cannot send parts of a file. A browser can seek only in a video that it has loaded as a whole.
fetch(address).then(response => response.blob()).then(blob => { video.src = URL.createObjectURL(blob); });
document.body.append(video);
"""


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    """Start a headless Chromium, or skip the tests if there is none."""
    with chromium(tmp_path_factory.mktemp('browser') / 'profile') as driver:
        yield driver


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve the files of a folder, and print nothing."""

    def log_message(self, *details):
        pass


@pytest.mark.parametrize(
    'options, rotation, size, found',
    [
        (dict(), 0, (64, 48), (64, 48)),
        (dict(), 90, (64, 48), (48, 64)),
        (dict(), 0, (65, 49), (66, 50)),
        (dict(codec='vp9'), 0, (65, 49), (65, 49)),
        (dict(codec='av1'), 0, (64, 48), (64, 48)),
    ],
    ids=['h264', 'rotated', 'odd', 'vp9', 'av1'],
)
def test_chromium_plays_the_result(browser, tmp_path, options, rotation, size, found):
    odd = {'codec': 'libvpx-vp9', 'options': {'b': '0', 'crf': '4'}} if size == (65, 49) else {'options': {'crf': '4'}}
    audio = 'aac' if size == (64, 48) else None
    name = 'a.webm' if size == (65, 49) else 'a.mp4'
    source = make_video(tmp_path / name, size=size, rotation=rotation, frames=25, audio=audio, **odd)
    derain_video(unchanged_derainer(), source, tmp_path / 'o.mp4', options=VideoOptions(**options, crf=4))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Handler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.05})
    thread.start()
    try:
        address = f'http://127.0.0.1:{server.server_port}'
        browser.get(f'{address}/')
        shown = browser.execute_async_script(SCRIPT, f'{address}/o.mp4', 12.5 / 25)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert 'error' not in shown, shown
    assert tuple(shown['size']) == found and abs(shown['duration'] - 1) < 0.05
    pixels = np.array(shown['pixels'], np.uint8).reshape(found[1], found[0], 4)[..., :3].astype(int)
    frames = [np.abs(pixels - frame).mean() for frame in decoded(tmp_path / 'o.mp4')]
    assert int(np.argmin(frames)) == 12 and frames[12] < 9
    expected = np.rot90(decoded(source)[12], rotation // 90)
    assert np.abs(pixels[: expected.shape[0], : expected.shape[1]] - expected).mean() < 10
