"""An HTTP server on the loopback interface that serves files. A part of the address selects an error to simulate."""

import contextlib
import hashlib
import io
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import torch

#: Commit that the server names for the files of the Hugging Face Hub.
COMMIT = '0123456789abcdef0123456789abcdef01234567'


class FileServer(ThreadingHTTPServer):
    """A server whose addresses have the form ``URL/<behavior>/<file name>``.

    These are the behaviors:

    * ``ok``: send the file;
    * ``no-ranges``: always send the whole file;
    * ``redirect``: name another address;
    * ``cut``: end each answer after half of the remaining bytes;
    * ``stuck``: never send more than the first half;
    * ``hang``: send the first half, and then nothing;
    * ``slow``: send nothing for a second;
    * ``web-page``: send a web page instead of the file;
    * an HTTP status such as ``404``: send this status.

    Attributes:
        files: maps file names to their content.
        requests: path and ``Range`` header of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []

    def url(self, behavior: str, name: str = '') -> str:
        """Return an address of this server."""
        return f'http://127.0.0.1:{self.server_port}/{behavior}/{name}'.rstrip('/')


class Handler(BaseHTTPRequestHandler):
    """Answer one request."""

    server: FileServer

    def do_HEAD(self) -> None:
        """Describe the file as the Hugging Face Hub does."""
        content = self.server.files.get(self.path.split('/', 2)[2])
        self.send_response(404 if content is None else 200)
        if content is not None:
            self.send_header('Content-Length', str(len(content)))
            self.send_header('ETag', f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header('X-Repo-Commit', COMMIT)
        self.end_headers()

    def do_GET(self) -> None:
        """Send the file, or misbehave."""
        path = urlsplit(self.path).path
        _, behavior, name = path.split('/', 2)
        asked = self.headers.get('Range')
        self.server.requests.append((self.path, asked))
        if behavior.isdigit():
            self.send_error(int(behavior))
            return
        if behavior == 'redirect':
            self.send_response(302)
            self.send_header('Location', f'/ok/{name}')
            self.end_headers()
            return
        if behavior == 'slow':
            time.sleep(1)
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix('bytes=').partition('-')[0]) if asked and behavior != 'no-ranges' else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header('Content-Type', 'text/html' if behavior == 'web-page' else 'application/octet-stream')
        self.send_header('Content-Length', str(len(content) - start))
        self.end_headers()
        end = len(content)
        if behavior == 'cut':
            end = (start + end + 1) // 2 if end - start > 1 else end
        if behavior in ('stuck', 'hang'):
            end = len(content) // 2
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content[start:end])
            self.wfile.flush()
            if behavior == 'hang':
                time.sleep(60)

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def running_server() -> Iterator[FileServer]:
    """Yield a running server."""
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.02), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()


def file_of(content: object) -> bytes:
    """Return the bytes of a checkpoint file with this content."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()
