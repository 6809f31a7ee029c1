"""Data set of the images in one folder."""

from collections.abc import Sequence
from typing import Any

from mmderain.registry import DATASETS

from .base import DerainDataset


@DATASETS.register_module()
class ImageFolderDataset(DerainDataset):
    """Images in one folder: rain-free images for ``SynthesizeRain``, or rainy images without clean images.

    Args:
        data_root: the folder. Its sub-folders are searched too.
        pipeline: configs of transforms.
        kwargs: arguments of :class:`~mmderain.datasets.base.DerainDataset` and mmengine's ``BaseDataset``, such as
            ``source``, ``indices`` and ``test_mode``.

    Raises:
        FileNotFoundError: the folder is missing or contains no image.
    """

    def __init__(self, data_root: str, pipeline: Sequence[dict] = (), **kwargs: Any) -> None:
        super().__init__(data_root=data_root, data_prefix=dict(img=''), pipeline=list(pipeline), **kwargs)

    def load_data_list(self) -> list[dict]:
        """Return a dict for each image: ``img_path`` is its path, ``name`` is its path relative to the folder."""
        folder = self.folder('img')
        return [dict(img_path=str(folder / path), name=path.as_posix()) for path in self.list_folder('img')]
