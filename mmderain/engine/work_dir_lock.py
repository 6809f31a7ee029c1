"""Keep a second training out of a work directory that is in use."""

import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.logging import print_log

from mmderain.errors import InputError

#: Launcher -> environment variable in which it stores the rank of a process.
RANK_VARIABLES = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}


def is_first_process(launcher: str) -> bool:
    """Return whether this process has rank 0, also before the processes are connected.

    Args:
        launcher: launcher of the processes, see :func:`~mmderain.engine.config.prepare_config`.
    """
    return launcher == 'none' or os.environ.get(RANK_VARIABLES[launcher], '0') == '0'


@contextmanager
def work_dir_lock(work_dir: str | Path, launcher: str = 'none') -> Iterator[None]:
    """Lock a work directory inside a block.

    The lock is a POSIX record lock on the file ``.lock`` in the directory. The system releases it when the process
    ends, also after SIGKILL. Loader processes do not inherit it, unlike a lock of ``flock``, so that a training can
    continue while those of a killed one still end.

    Args:
        work_dir: work directory of a training; it is created if it does not exist.
        launcher: launcher of the processes. Only the process of rank 0 locks the directory.

    Raises:
        InputError: another process has locked the directory. The message names it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no record locks
        fcntl = None  # type: ignore[assignment]  # the module is missing
    if fcntl is None or not is_first_process(launcher):
        yield
        return
    path = Path(work_dir) / '.lock'
    new = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(path, 'a+', encoding='utf-8') as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                file.seek(0)
                owner = file.read() or 'unknown process'
                raise InputError(
                    f'{work_dir}: another training uses this work directory ({owner}); wait for it, choose another '
                    '--work-dir, or use --share-work-dir if you are sure that both may write there'
                ) from None
            except OSError as error:
                print_log(
                    f'{work_dir}: this file system has no locks ({error}); start no second training there', 'current'
                )
            file.truncate(0)
            file.write(f'process {os.getpid()} on {socket.gethostname()}')
            file.flush()
            yield
    finally:
        # A run that fails before it writes anything leaves no directory.
        with contextlib.suppress(OSError):
            if new and [entry.name for entry in path.parent.iterdir()] == ['.lock']:
                path.unlink()
                for folder in new:  # the innermost one first
                    folder.rmdir()
