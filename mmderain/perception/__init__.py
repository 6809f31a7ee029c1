from .preprocessor import DerainBeforeTask, RestorationLossHook
from .transform import Derain

__all__ = ['Derain', 'DerainBeforeTask', 'RestorationLossHook']
