from .jdnet import JDNet
from .nasnet import NASNet
from .sian import SIAN

__all__ = ['SIAN', 'JDNet', 'NASNet']
