"""Data set of the images of one folder."""

from collections.abc import Sequence
from typing import Any

from mmderain.registry import DATASETS

from .base import DerainDataset


@DATASETS.register_module()
class ImageFolderDataset(DerainDataset):
    """Images of one folder: rain-free ones for ``SynthesizeRain``, or rainy ones without a clean image.

    Args:
        data_root: the folder; sub-folders are searched too.
        pipeline: configs of transforms.
        kwargs: arguments of :class:`~mmderain.datasets.base.DerainDataset` and mmengine's ``BaseDataset``, such as
            ``source``, ``indices`` and ``test_mode``.

    Raises:
        FileNotFoundError: the folder is missing or holds no image.
    """

    def __init__(self, data_root: str, pipeline: Sequence[dict] = (), **kwargs: Any) -> None:
        super().__init__(data_root=data_root, data_prefix=dict(img=''), pipeline=list(pipeline), **kwargs)

    def load_data_list(self) -> list[dict]:
        """Return the items: ``img_path``, and ``name``, the path relative to the folder."""
        folder = self.folder('img')
        return [dict(img_path=str(folder / path), name=path.as_posix()) for path in self.list_folder('img')]
