from .data_preprocessor import DerainDataPreprocessor
from .derainer import Derainer
from .losses import SSIMLoss
from .networks import SIAN, JDNet, MAFNet, NASNet

__all__ = ['SIAN', 'DerainDataPreprocessor', 'Derainer', 'JDNet', 'MAFNet', 'NASNet', 'SSIMLoss']
