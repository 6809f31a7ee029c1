from . import transforms  # noqa: F401  (registers the transforms)
from .image_folder_dataset import ImageFolderDataset
from .paired_image_dataset import PairedImageDataset
from .samplers import Draw, SeededSampler

__all__ = ['Draw', 'SeededSampler', 'ImageFolderDataset', 'PairedImageDataset']
