from .data_preprocessor import DerainDataPreprocessor
from .derainer import Derainer
from .losses import SSIMLoss
from .networks import SIAN, JDNet, MAFNet, NAFNet, NASNet, PixelUnshuffled

__all__ = [
    'SIAN',
    'DerainDataPreprocessor',
    'Derainer',
    'JDNet',
    'MAFNet',
    'NAFNet',
    'NASNet',
    'PixelUnshuffled',
    'SSIMLoss',
]
