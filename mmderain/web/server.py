"""Serve the page at an address, with a login, limits, and a temporary folder for the files."""

import ipaddress
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmderain.errors import InputError
from mmderain.io import read_text

from .page import CSS, TIME_LIMIT, DerainerLoaders, TaskLoaders, build_page, require_gradio
from .uploads import trim_uploads

#: Largest number of waiting requests. Further requests are refused.
MAX_WAITING = 20
#: Largest size in bytes of all uploads and results together. If they take more, the oldest files are deleted.
MAX_STORED_BYTES = 2**30
#: Largest number of browser sessions that gradio remembers.
MAX_SESSIONS = 200
#: Seconds between two checks of the size of all stored files.
TRIM_INTERVAL = 5.0


@contextmanager
def serving(
    derainers: DerainerLoaders,
    tasks: TaskLoaders,
    host: str = '127.0.0.1',
    port: int = 7860,
    max_upload: int = 20,
    users: list[tuple[str, str]] | None = None,
    time_limit: float = TIME_LIMIT,
) -> Iterator[str]:
    """Serve the page inside a ``with`` block.

    The page loads nothing from other servers. Uploaded files and results are deleted at the end of the block.

    Args:
        derainers: see :func:`build_page`.
        tasks: see :func:`build_page`.
        host: address to listen on. Only this machine can connect to the default address.
        port: port to listen on, from 1 to 65535.
        max_upload: largest size of an uploaded file in MiB, at least 1.
        users: names and passwords, see :func:`read_users`. None requires no login.
        time_limit: longest time of a request in seconds.

    Yields:
        The URL of the page.

    Raises:
        InputError: gradio is not installed, there is no derainer, an argument is out of range, or the address or the
            port cannot be used.
    """
    if max_upload < 1:
        raise InputError(f'--max-upload must be at least 1 MiB, found {max_upload}')
    if time_limit <= 0:
        raise InputError(f'--time-limit must be more than 0 seconds, found {time_limit:g}')
    if not 1 <= port <= 65535:
        raise InputError(f'--port must be from 1 to 65535, found {port}')
    # These settings switch off the public tunnel, other servers, and the history in the browser.
    private: dict[str, Any] = dict(
        share=False, ssr_mode=False, mcp_server=False, enable_monitoring=False, run_history=False
    )
    # The default theme would load fonts from another server.
    fonts = dict(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    # gradio stores files in GRADIO_TEMP_DIR. When gradio starts, it requests its own page. Because of no_proxy, this
    # request uses no proxy.
    with (
        tempfile.TemporaryDirectory(prefix='mmderain_web_') as folder,
        environment(GRADIO_TEMP_DIR=folder, no_proxy='*'),
    ):
        page = build_page(derainers, tasks, folder, time_limit).queue(max_size=MAX_WAITING)
        stop = threading.Event()
        threading.Thread(target=_trim_until, args=(folder, stop), daemon=True).start()
        try:
            page.launch(
                server_name=host,
                server_port=port,
                max_file_size=max_upload * 2**20,
                auth=users,
                prevent_thread_lock=True,
                quiet=True,
                inline=False,
                footer_links=[],
                state_session_capacity=MAX_SESSIONS,
                theme=require_gradio().themes.Default(primary_hue='blue', **fonts),
                css=CSS,
                **private,
            )
        except OSError:
            raise InputError(
                f'{host}:{port}: the page cannot be served at this address; another program uses the port, or the '
                'address does not belong to this machine. Choose another port or address with --port and --host.'
            ) from None
        try:
            yield page.local_url
        finally:
            stop.set()
            page.close(verbose=False)


def _trim_until(folder: str, stop: threading.Event) -> None:
    """Delete the oldest files whenever all files take more than :data:`MAX_STORED_BYTES`, until ``stop`` is set."""
    while not stop.wait(TRIM_INTERVAL):
        trim_uploads(folder, MAX_STORED_BYTES)


def read_users(path: str | Path) -> list[tuple[str, str]]:
    """Read names and passwords.

    Args:
        path: text file that only its owner can read, with a line ``user:password`` for each user.

    Raises:
        FileNotFoundError: the file does not exist.
        InputError: other users of this machine can read the file, a line is not ``user:password``, or the file is
            empty. The message contains no password.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file; expected a file with lines user:password')
    if path.stat().st_mode & 0o077:
        raise InputError(f'{path}: other users of this machine can read this file; run `chmod 600 {path}`')
    users = []
    for number, line in enumerate(read_text(path).split('\n'), start=1):
        if not line.strip():
            continue
        name, colon, password = line.partition(':')
        if not name or not colon or not password:
            raise InputError(f'{path}, line {number}: expected user:password')
        users.append((name, password))
    if not users:
        raise InputError(f'{path}: is empty; expected a line user:password for each user')
    return users


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables inside a ``with`` block, and restore them at its end."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key)
            else:
                os.environ[key] = value
