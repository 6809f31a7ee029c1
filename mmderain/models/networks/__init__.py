"""The networks, one file each."""

from .jdnet import JDNet
from .mafnet import MAFNet
from .nafnet import NAFNet
from .nasnet import NASNet
from .pixel_unshuffled import PixelUnshuffled
from .sian import SIAN
from .spandrel_network import SpandrelNetwork

__all__ = ['SIAN', 'JDNet', 'MAFNet', 'NAFNet', 'NASNet', 'PixelUnshuffled', 'SpandrelNetwork']
