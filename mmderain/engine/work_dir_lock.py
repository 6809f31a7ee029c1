"""Prevent two trainings from using the same work directory at the same time."""

import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.logging import print_log

from mmderain.errors import InputError

#: Maps a launcher to the environment variable in which the launcher stores the rank of a process.
RANK_VARIABLES = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}

#: Maps a launcher to the environment variable in which the launcher stores the number of processes.
SIZE_VARIABLES = {'pytorch': 'WORLD_SIZE', 'slurm': 'SLURM_NTASKS', 'mpi': 'OMPI_COMM_WORLD_SIZE'}


def is_first_process(launcher: str) -> bool:
    """Return whether this process has rank 0. The process group need not be initialized.

    Args:
        launcher: launcher of the processes, see :func:`~mmderain.engine.config.prepare_config`.
    """
    return launcher == 'none' or os.environ.get(RANK_VARIABLES[launcher], '0') == '0'


def process_count(launcher: str) -> int:
    """Return the number of processes of a training. The process group need not be initialized.

    Args:
        launcher: as in :func:`is_first_process`.
    """
    return 1 if launcher == 'none' else int(os.environ.get(SIZE_VARIABLES[launcher], '1'))


@contextmanager
def work_dir_lock(work_dir: str | Path, launcher: str = 'none') -> Iterator[None]:
    """Lock a work directory while a ``with`` block runs.

    The lock is a POSIX record lock on the file ``.lock`` in the directory. The system releases it when the process
    ends, even after SIGKILL. Loader processes do not inherit this lock. Therefore a killed training can be continued
    while its old loader processes are still running.

    On Windows and on file systems without locks, nothing is locked.

    Args:
        work_dir: work directory of a training; it is created if it does not exist.
        launcher: launcher of the processes. Only the process of rank 0 locks the directory.

    Raises:
        InputError: another process has locked the directory. The message names that process.
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
                    f'{work_dir}: another training uses this work directory ({owner}); wait until it ends, choose '
                    'another --work-dir, or use --share-work-dir if you are sure that both trainings may write there'
                ) from None
            except OSError as error:
                print_log(
                    f'{work_dir}: this file system has no locks ({error}); do not start a second training in this '
                    'directory',
                    'current',
                )
            file.truncate(0)
            file.write(f'process {os.getpid()} on {socket.gethostname()}')
            file.flush()
            yield
    finally:
        # If a run fails before it writes anything, the new directories are removed.
        with contextlib.suppress(OSError):
            if new and [entry.name for entry in path.parent.iterdir()] == ['.lock']:
                path.unlink()
                for folder in new:  # the innermost one first
                    folder.rmdir()
