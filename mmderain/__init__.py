"""mmderain: single-image deraining for the OpenMMLab family."""

from . import compat  # noqa: F401  (must be first: checks that mmengine and mmcv are installed)
from .version import __version__

#: Name of the derainer that the inferencer, the commands and the demos use by default.
DEFAULT_DERAINER = 'nafnet'

__all__ = ['DEFAULT_DERAINER', '__version__']
