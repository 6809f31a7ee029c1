"""Derainers ahead of detectors and segmentors: transform, preprocessor, joint test, scenes."""

from .hooks import RestorationLossHook
from .preprocessor import DerainBeforeTask
from .transform import Derain

__all__ = ['Derain', 'DerainBeforeTask', 'RestorationLossHook']
