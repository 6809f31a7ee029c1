from collections.abc import Sequence

from mmderain.registry import DATASETS

from .base import DerainDataset


@DATASETS.register_module()
class ImageFolderDataset(DerainDataset):
    """Pictures of one folder: rain-free ones that ``SynthesizeRain`` makes pairs of, or ones without truth.

    Args:
        data_root: the folder; sub-folders are searched too.
        source: what errors say of the data set, see :class:`~mmderain.datasets.base.DerainDataset`.
        pipeline, indices, test_mode, ...: as mmengine's ``BaseDataset``.
    """

    def __init__(self, data_root: str, pipeline: Sequence[dict] = (), **kwargs) -> None:
        super().__init__(data_root=data_root, data_prefix=dict(img=''), pipeline=list(pipeline), **kwargs)

    def load_data_list(self) -> list[dict]:
        folder = self.folder('img')
        return [dict(img_path=str(folder / path), name=path.as_posix()) for path in self.list_folder('img')]
