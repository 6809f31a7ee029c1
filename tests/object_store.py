"""An object store on the loopback interface, and a proxy in front of it that loses connections."""

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mmderain.io.remote import RemotePath


class LosingProxy:
    """Forward TCP connections to a server, and close the first ones in the middle of an answer.

    Args:
        port: port of the server on the loopback interface.
        limit: number of bytes of a connection after which it is closed.
        losses: number of connections that are closed. The others are not.

    Attributes:
        port: port of the proxy.
        lost: number of connections that were closed.
    """

    def __init__(self, port: int, limit: int, losses: int) -> None:
        self.server, self.limit, self.losses, self.lost = port, limit, losses, 0
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no further connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(('127.0.0.1', self.server))
                threading.Thread(target=self._forward, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client, True), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        total = 0
        with contextlib.suppress(OSError):
            while block := source.recv(4096):
                total += len(block)
                if is_answer and total > self.limit:
                    with self._lock:
                        if self.lost < self.losses:
                            self.lost += 1
                            break
                sink.sendall(block)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class ObjectStore:
    """A running server of moto, which imitates S3.

    Attributes:
        port: its port on the loopback interface.
    """

    port: int

    @contextlib.contextmanager
    def losing_connections(self, limit: int, losses: int) -> Iterator[LosingProxy]:
        """Send all further requests through a proxy that loses connections."""
        proxy = LosingProxy(self.port, limit, losses)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv('AWS_ENDPOINT_URL', f'http://127.0.0.1:{proxy.port}')
                forget_connections()
                yield proxy
        finally:
            forget_connections()
            proxy.close()


@contextlib.contextmanager
def running_store() -> Iterator[ObjectStore]:
    """Yield a running store with the empty bucket ``rain``. The environment variables of AWS name this store."""
    reason = 'needs the extra [scale-test]'
    server_module = pytest.importorskip('moto.server', reason=reason)
    s3fs = pytest.importorskip('s3fs', reason=reason)
    server = server_module.ThreadedMotoServer('127.0.0.1', 0)
    server.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            url = f'http://127.0.0.1:{server.get_host_and_port()[1]}'
            # The objects of an earlier server of this process are still there.
            urllib.request.urlopen(urllib.request.Request(f'{url}/moto-api/reset', method='POST')).close()
            patch.setenv('AWS_ENDPOINT_URL', url)
            patch.setenv('AWS_ACCESS_KEY_ID', 'test')
            patch.setenv('AWS_SECRET_ACCESS_KEY', 'test')
            patch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
            forget_connections()
            s3fs.S3FileSystem(skip_instance_cache=True).mkdir('rain')
            yield ObjectStore(server.get_host_and_port()[1])
    finally:
        forget_connections()
        server.stop()


def forget_connections() -> None:
    """Let fsspec read the environment variables again when it connects to the store next time."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


def empty_memory_folder(name: str) -> RemotePath:
    """Return the path of an empty folder of ``memory://``."""
    root = RemotePath.parse(f'memory://{name}')
    if root.filesystem.exists(root.url):
        root.filesystem.rm(root.url, recursive=True)
    return root
