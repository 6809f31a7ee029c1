import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmderain.registry import TRANSFORMS
from mmderain.structures import DerainDataSample


def to_tensor(img: np.ndarray) -> torch.Tensor:
    """(H, W, 3) uint8 -> (3, H, W) uint8, still BGR."""
    return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))


@TRANSFORMS.register_module()
class PackDerainInputs(BaseTransform):
    """Make ``inputs`` (3, H, W) BGR uint8 and ``data_samples``, a :class:`DerainDataSample`, of the results.

    Args:
        meta_keys: what of the results becomes meta information, if it is there.
    """

    def __init__(self, meta_keys: tuple[str, ...] = ('img_path', 'gt_path', 'name', 'ori_shape', 'sample_idx')) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        sample = DerainDataSample(metainfo={key: results[key] for key in self.meta_keys if key in results})
        if 'gt_img' in results:
            sample.gt_img = to_tensor(results['gt_img'])
        return dict(inputs=to_tensor(results['img']), data_samples=sample)
