"""Measure derained images: PSNR and SSIM under named protocols."""

from .functional import PROTOCOLS, measure
from .metrics import ImageQuality

__all__ = ['PROTOCOLS', 'ImageQuality', 'measure']
