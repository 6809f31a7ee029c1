from .jdnet import JDNet
from .mafnet import MAFNet
from .nasnet import NASNet
from .sian import SIAN

__all__ = ['SIAN', 'JDNet', 'MAFNet', 'NASNet']
