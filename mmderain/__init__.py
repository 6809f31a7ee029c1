"""mmderain: single-image deraining for the OpenMMLab family."""

from . import compat  # noqa: F401  (must be first: checks that an OpenMMLab stack is there)
from .version import __version__

#: Name of the derainer that the inferencer, the commands and the demos use if none is named.
DEFAULT_DERAINER = 'nafnet'

__all__ = ['DEFAULT_DERAINER', '__version__']
