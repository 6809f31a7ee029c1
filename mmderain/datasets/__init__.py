"""Data sets of image pairs and of single images, and their sampler and transforms."""

from . import transforms  # noqa: F401  (registers the transforms)
from .image_folder_dataset import ImageFolderDataset
from .paired_image_dataset import PairedImageDataset
from .samplers import SeededIndex, SeededSampler

__all__ = ['ImageFolderDataset', 'PairedImageDataset', 'SeededIndex', 'SeededSampler']
