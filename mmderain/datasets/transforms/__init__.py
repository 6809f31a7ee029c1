"""Transforms of training and test pipelines."""

from .augment import CropPatch, PairedRandomCrop, PairedRandomFlip, PairedRandomRotate90
from .formatting import PackDerainInputs
from .loading import LoadPairedImages
from .rain import SynthesizeRain

__all__ = [
    'CropPatch',
    'LoadPairedImages',
    'PackDerainInputs',
    'PairedRandomCrop',
    'PairedRandomFlip',
    'PairedRandomRotate90',
    'SynthesizeRain',
]
