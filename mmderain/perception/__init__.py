"""Derain the input images of a detector or segmentor, and measure the effect on its accuracy."""

from .hooks import RestorationLossHook
from .preprocessor import DerainBeforeTask
from .transform import Derain

__all__ = ['Derain', 'DerainBeforeTask', 'RestorationLossHook']
