"""Write files so that a reader never sees half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to the final path when the block ends without an error.

    The temporary file lies in the same folder, so that the rename is atomic. After an error it is removed, and a file
    that was under the final path before stays as it was. A killed process leaves at most the temporary file,
    ``.<name>.part``, which the next write replaces.

    Args:
        path: the final path; its folder is created if it is missing.

    Yields:
        The temporary path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'.{path.name}.part')
    try:
        yield part
        with open(part, 'rb+') as file:
            os.fsync(file.fileno())  # or a power failure could leave an empty file under the final name
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
