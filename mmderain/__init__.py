"""mmderain: single-image deraining for the OpenMMLab family."""

from . import compat  # noqa: F401  (must be first: checks that an OpenMMLab stack is there)
from .version import __version__

__all__ = ['__version__']
