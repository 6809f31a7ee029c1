"""Simulate many users who use the web page at the same time. Each user sends images of a different color."""

import base64
import json
import os
import re
import tempfile
import threading
import time
import urllib.error
from collections import Counter
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import cv2
import numpy as np

from mmderain.web import bundled_loaders, serving

from .common import open_files, resident_mb

SIZE = 64


def post(url: str, content: bytes, kind: str) -> bytes:
    """Send a POST request with a content of the MIME type ``kind``, and return the body of the answer."""
    with urlopen(Request(url, content, {'Content-Type': kind}), timeout=120) as answer:
        return answer.read()


class User(threading.Thread):
    """A simulated user, who repeatedly derains an image of one color and checks the color of the derained image.

    Args:
        address: URL of the web page.
        number: number of the user, which determines the color.
        end: time of ``time.monotonic()`` at which the user stops.
        counts: number of requests with each outcome; all users add to it.
        lock: lock for ``counts``.
    """

    def __init__(self, address: str, number: int, end: float, counts: Counter, lock: threading.Lock) -> None:
        super().__init__(daemon=True)
        self.base, self.end, self.counts, self.lock, self.number = address.rstrip('/'), end, counts, lock, number
        self.color = np.array([20 + 4 * number, 220 - 3 * number, (number * 37) % 200 + 20])

    def run(self) -> None:
        """Send requests until the time ``end``."""
        visit = 0
        while time.monotonic() < self.end:
            visit += 1
            try:
                outcome = self.request(f'user{self.number}visit{visit}')
            except Exception as error:
                outcome = f'error of the client: {type(error).__name__}'
            with self.lock:
                self.counts[outcome] += 1
            time.sleep(0.5)

    def request(self, session: str) -> str:
        """Derain one image.

        Args:
            session: name of the session, which is also the name of the image.

        Returns:
            The outcome: ``'right'``, ``'wrong image'``, ``'refused, queue full'`` or a description of an error.
        """
        img = np.full((SIZE, SIZE, 3), self.color, np.uint8)
        content = cv2.imencode('.png', img)[1].tobytes()
        head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{session}.png"\r\n'
        body = head.encode() + b'Content-Type: image/png\r\n\r\n' + content + b'\r\n--x--\r\n'
        (path,) = json.loads(post(f'{self.base}/gradio_api/upload', body, 'multipart/form-data; boundary=x'))
        with urlopen(f'{self.base}/config', timeout=120) as answer:
            functions = json.load(answer)['dependencies']
        number = next(entry['id'] for entry in functions if len(entry['inputs']) == 7)
        image = dict(path=path, meta=dict(_type='gradio.FileData'))
        body = dict(data=[image, None, 'nafnet', '', [], 3, 0], fn_index=number, session_hash=session)
        try:
            post(f'{self.base}/gradio_api/queue/join', json.dumps(body).encode(), 'application/json')
        except urllib.error.HTTPError as error:
            return 'refused, queue full' if error.code in (429, 503) else f'status {error.code}'
        with urlopen(f'{self.base}/gradio_api/queue/data?session_hash={session}', timeout=300) as events:
            for line in events:
                message = json.loads(line.removeprefix(b'data: ')) if line.startswith(b'data: ') else {}
                if message.get('msg') == 'process_completed':
                    return self.judge(message)
        return 'no answer'

    def judge(self, message: dict) -> str:
        """Compare the color of the derained image with the color of the sent image, and return the outcome."""
        if not message['success']:
            return 'refused, queue full' if 'full' in json.dumps(message) else 'error of the page'
        text = json.dumps(message)
        embedded = re.findall(r'base64,([A-Za-z0-9+/=]+)', text)
        images = [base64.b64decode(part) for part in embedded]
        for url in dict.fromkeys(re.findall(r'"url": "(http[^"]+)"', text)):
            with urlopen(url, timeout=120) as answer:
                images.append(answer.read())
        means = [cv2.imdecode(np.frombuffer(part, np.uint8), 1).mean((0, 1)) for part in images]
        # The slider of the page shows the rainy and the derained image. Both must have the color of this user.
        pair = means[:2]
        right = len(pair) == 2 and all(np.abs(mean - self.color).max() < 12 for mean in pair)
        return 'right' if right else 'wrong image'


def hostile_requests(base: str) -> Counter:
    """Ask the page for other files of the server, and load the page after each file. Count the outcomes."""
    found: Counter = Counter()
    with urlopen(f'{base}/config', timeout=120) as answer:
        functions = json.load(answer)['dependencies']
    number = next(entry['id'] for entry in functions if len(entry['inputs']) == 7)
    for path in ('/etc/passwd', '../../../../etc/passwd', '/dev/zero', '/proc/self/environ', 'a\0b', 'x' * 5000):
        for meta in ({}, dict(meta=dict(_type='gradio.FileData'))):
            session = f'hostile{sum(found.values())}'
            body = dict(
                data=[dict(path=path) | meta, None, 'nafnet', '', [], 3, 0], fn_index=number, session_hash=session
            )
            try:
                post(f'{base}/gradio_api/queue/join', json.dumps(body).encode(), 'application/json')
                with urlopen(f'{base}/gradio_api/queue/data?session_hash={session}', timeout=60) as events:
                    text = next(line for line in events if b'process_completed' in line or b'unexpected_error' in line)
                outcome = 'refused' if b'"success":false' in text and b'root:' not in text else 'answered'
            except urllib.error.HTTPError as error:
                outcome = f'refused, status {error.code}'
            found[outcome] += 1
        try:
            with urlopen(f'{base}/gradio_api/file={quote(path[:100])}', timeout=30) as response:
                found['file returned'] += bool(response.read(1000))
        except urllib.error.HTTPError as error:
            found[f'file refused, status {error.code}'] += 1
        with urlopen(f'{base}/', timeout=30) as response:
            found[f'page afterwards, status {response.status}'] += 1
    return found


def campaign(minutes: float, users: int = 50) -> dict:
    """Serve the page to many users, and record the outcomes of their requests and the memory of the server.

    Args:
        minutes: duration in minutes.
        users: number of users.
    """
    counts: Counter = Counter()
    lock = threading.Lock()
    derainers, _ = bundled_loaders('cpu')
    with tempfile.TemporaryDirectory() as name:
        tempfile.tempdir = name
        with serving({'nafnet': derainers['nafnet']}, {}, port=7899) as address:
            warm = User(address, 0, 0, counts, lock)
            warm.request('warm')
            before = dict(resident_mb=resident_mb(), open_files=open_files())
            end = time.monotonic() + 60 * minutes
            threads = [User(address, number, end, counts, lock) for number in range(users)]
            for thread in threads:
                thread.start()
            memory = []
            while any(thread.is_alive() for thread in threads):
                time.sleep(2)
                memory.append(resident_mb())
            hostile = hostile_requests(address.rstrip('/'))
            time.sleep(10)
            after = dict(resident_mb=resident_mb(), open_files=open_files())
            stored = sum(path.stat().st_size for path in Path(name).rglob('*') if path.is_file()) / 2**20
        tempfile.tempdir = None
    return dict(
        minutes=minutes, users=users, outcomes=dict(counts), before=before, after=after, peak_mb=round(max(memory)),
        memory_mb=[round(memory[len(memory) * part // 10]) for part in range(10)],
        stored_mb=round(stored, 1), hostile=dict(hostile), processors=os.cpu_count(),
    )  # fmt: skip
