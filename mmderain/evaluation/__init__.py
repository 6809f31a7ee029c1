"""Measure derained images: PSNR and SSIM under named protocols."""

from .functional import PROTOCOLS, UNROUNDED, measure
from .metrics import ImageQuality

__all__ = ['PROTOCOLS', 'UNROUNDED', 'ImageQuality', 'measure']
