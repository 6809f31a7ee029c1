"""Files: what the rest of the package uses to write them safely."""

from .files import atomic_path

__all__ = ['atomic_path']
