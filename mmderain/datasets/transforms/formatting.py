"""The transform that converts an item to the input of a model."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmderain.registry import TRANSFORMS
from mmderain.structures import DerainDataSample


def to_tensor(img: np.ndarray) -> torch.Tensor:
    """Convert (H, W, 3) to (3, H, W). The dtype and the order of the channels, BGR, do not change."""
    return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))


@TRANSFORMS.register_module()
class PackDerainInputs(BaseTransform):
    """Convert the results of the other transforms to the input of a model.

    The output has two keys:

    * ``inputs``: the rainy image, (3, H, W) BGR in 0..255; uint8, or float32 for 16-bit files.
    * ``data_samples``: a :class:`DerainDataSample` with the clean image and the meta information.

    Args:
        meta_keys: keys of the results that are stored as meta information. Missing keys are ignored.
    """

    META_KEYS = ('img_path', 'gt_path', 'name', 'ori_shape', 'sample_idx', 'img_bits', 'gt_bits')

    def __init__(self, meta_keys: tuple[str, ...] = META_KEYS) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Return ``inputs`` and ``data_samples``."""
        sample = DerainDataSample(metainfo={key: results[key] for key in self.meta_keys if key in results})
        if 'gt_img' in results:
            sample.gt_img = to_tensor(results['gt_img'])
        return dict(inputs=to_tensor(results['img']), data_samples=sample)
