"""The transform that packs an item for a model."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmderain.registry import TRANSFORMS
from mmderain.structures import DerainDataSample


def to_tensor(img: np.ndarray) -> torch.Tensor:
    """Convert (H, W, 3) uint8 to (3, H, W) uint8; the order of the channels stays BGR."""
    return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))


@TRANSFORMS.register_module()
class PackDerainInputs(BaseTransform):
    """Pack the results into ``inputs``, (3, H, W) BGR uint8, and ``data_samples``, a :class:`DerainDataSample`.

    Args:
        meta_keys: keys of the results that are stored as meta information of the sample. A missing key is ignored.
    """

    def __init__(self, meta_keys: tuple[str, ...] = ('img_path', 'gt_path', 'name', 'ori_shape', 'sample_idx')) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Return ``inputs`` and ``data_samples``."""
        sample = DerainDataSample(metainfo={key: results[key] for key in self.meta_keys if key in results})
        if 'gt_img' in results:
            sample.gt_img = to_tensor(results['gt_img'])
        return dict(inputs=to_tensor(results['img']), data_samples=sample)
