"""Read uploaded images, refuse other files and images that are too large, and delete old files."""

import contextlib
from pathlib import Path

import numpy as np

from mmderain.errors import InputError
from mmderain.io.image import image_size, read_image

#: Largest number of pixels of an uploaded image. A larger image would block the page for minutes. The command
#: ``mmderain derain`` accepts larger images.
MAX_PIXELS = 16_000_000


def is_upload(path: str | Path, upload_dir: str | Path) -> bool:
    """Return whether a path, after all links are followed, is a regular file inside the folder of the uploads."""
    try:
        file = Path(path).resolve()
        return file.is_relative_to(Path(upload_dir).resolve()) and file.is_file()
    except (OSError, ValueError, RuntimeError):  # a name that is too long, has a null byte, or is a loop of links
        return False


def read_upload(path: str | Path, upload_dir: str | Path) -> np.ndarray:
    """Read an uploaded image.

    Args:
        path: path of the uploaded file, as the browser sends it.
        upload_dir: folder of the uploads.

    Returns:
        (H, W, 3) BGR uint8.

    Raises:
        InputError: the file is not a regular file in the folder of the uploads, cannot be read as an image, is
            incomplete, or has too many pixels. The message contains the name of the file without its folder.
    """
    # A request can contain any path. Therefore the message does not say whether the file exists.
    if not is_upload(path, upload_dir):
        raise InputError(f'{Path(path).name}: was not uploaded to this page; upload the image again')
    try:
        height, width = image_size(path)
        if height * width > MAX_PIXELS:
            raise InputError(
                f'{path}: has {width}x{height} pixels; this page accepts up to {MAX_PIXELS / 1e6:g} million. Make '
                'the image smaller, or use `mmderain derain`.'
            )
        return read_image(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), Path(path).name)) from None


def trim_uploads(upload_dir: str | Path, max_bytes: int) -> None:
    """Delete the oldest files of a folder until all files together take at most ``max_bytes``."""
    files = []
    for path in Path(upload_dir).rglob('*'):
        with contextlib.suppress(OSError):  # another thread has deleted the file
            if path.is_file():
                files.append((path.stat().st_mtime, path.stat().st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= max_bytes:
            return
        path.unlink(missing_ok=True)
        total -= size
