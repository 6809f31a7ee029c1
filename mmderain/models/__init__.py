from .data_preprocessor import DerainDataPreprocessor
from .derainer import Derainer
from .losses import SSIMLoss
from .networks import SIAN, JDNet, NASNet

__all__ = ['SIAN', 'DerainDataPreprocessor', 'Derainer', 'JDNet', 'NASNet', 'SSIMLoss']
