from .measured import MeasuredSteps, MedianBlur, ReplaceFromFolder
from .preprocessor import DerainBeforeTask, RestorationLossHook
from .transform import Derain

__all__ = ['Derain', 'DerainBeforeTask', 'MeasuredSteps', 'MedianBlur', 'RestorationLossHook', 'ReplaceFromFolder']
