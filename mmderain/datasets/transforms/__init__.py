"""Transforms of training and test pipelines."""

from .augment import CropPatch, PairedRandomCrop, PairedRandomFlip, PairedRandomRotate90
from .formatting import PackDerainInputs
from .hard_scenes import DarkenToNight, DrawBrightObjects
from .loading import LoadImageFromFile, LoadPairedImages
from .rain import SynthesizeRain

__all__ = [
    'CropPatch',
    'DarkenToNight',
    'DrawBrightObjects',
    'LoadImageFromFile',
    'LoadPairedImages',
    'PackDerainInputs',
    'PairedRandomCrop',
    'PairedRandomFlip',
    'PairedRandomRotate90',
    'SynthesizeRain',
]
