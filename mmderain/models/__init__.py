"""Deraining models: :class:`Derainer`, its networks and its losses."""

from .data_preprocessor import DerainDataPreprocessor
from .derainer import Derainer
from .losses import SSIMLoss
from .networks import SIAN, JDNet, MAFNet, NAFNet, NASNet, PixelUnshuffled, SpandrelNetwork
from .spec import NetworkSpec
from .tiling import Tile
from .weights import load_weights

__all__ = [
    'SIAN',
    'DerainDataPreprocessor',
    'Derainer',
    'JDNet',
    'MAFNet',
    'NAFNet',
    'NASNet',
    'NetworkSpec',
    'PixelUnshuffled',
    'SSIMLoss',
    'SpandrelNetwork',
    'Tile',
    'load_weights',
]
