from .hooks import RestorationLossHook
from .preprocessor import DerainBeforeTask
from .transform import Derain

__all__ = ['Derain', 'DerainBeforeTask', 'RestorationLossHook']
