"""Find the image files in folders."""

from pathlib import Path

from .image_formats import IMAGE_SUFFIXES


def list_images(folder: Path, also: tuple[str, ...] = ()) -> list[Path]:
    """Return the image files in a folder and its sub-folders, without hidden files.

    Args:
        folder: folder to search.
        also: further file suffixes to include, in lower case, for example ``('.mp4',)``.

    Returns:
        Paths relative to the folder, sorted.
    """
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob('*')
        if path.suffix.lower() in (*IMAGE_SUFFIXES, *also) and not path.name.startswith('.')
    )
