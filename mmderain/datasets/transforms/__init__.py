"""Transforms of training and test pipelines."""

from .augment import CropPatch, PairedRandomCrop, PairedRandomFlip, PairedRandomRotate90
from .formatting import PackDerainInputs
from .loading import LoadImageFromFile, LoadPairedImages
from .rain import SynthesizeRain

__all__ = [
    'CropPatch',
    'LoadImageFromFile',
    'LoadPairedImages',
    'PackDerainInputs',
    'PairedRandomCrop',
    'PairedRandomFlip',
    'PairedRandomRotate90',
    'SynthesizeRain',
]
